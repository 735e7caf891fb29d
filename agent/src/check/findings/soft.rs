//! Soft thresholds that are not soft, or never act.

use evictd_core::MapField;

use super::{Found, Rule, Subject, warning};
use crate::check::{
    amount::{below, span},
    in_force::{InForce, quantities},
    places::At,
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "soft-is-hard", because: &["E-5", "T-8"], find: soft_is_hard },
    Rule { code: "soft-after-hard", because: &["L-10", "L-15"], find: soft_after_hard },
    Rule { code: "soft-without-pod-grace", because: &["E-6", "K-3"], find: no_pod_grace },
    Rule { code: "negative-pod-grace", because: &["E-6", "K-3"], find: negative_pod_grace },
];

const POD_GRACE: At = At::Field("evictionMaxPodGracePeriod");

fn soft_is_hard(s: &Subject<'_>) -> Vec<Found> {
    let found = |row: &InForce| {
        warning(
            At::Entry(MapField::SoftGracePeriod, row.signal()),
            format!(
                "a grace period of nothing makes the soft threshold on {} a hard one: pods are killed \
                 at once",
                row.signal()
            ),
            "a grace period such as 1m30s, or evictionHard",
        )
    };
    soft(s).filter(|row| row.threshold.is_hard() && row.is_written()).map(found).collect()
}

fn soft_after_hard(s: &Subject<'_>) -> Vec<Found> {
    let late = |soft: &InForce| {
        let capacity = s.node.capacity(soft.signal());
        let hard = s.rows.iter().filter(|r| r.signal() == soft.signal() && r.threshold.is_hard());
        let not_below = |hard: &&InForce| {
            let both = quantities(&soft.threshold, &hard.threshold, capacity);
            both.is_some_and(|(soft, hard)| soft <= hard)
        };
        let hard = hard.into_iter().find(not_below)?;
        let [soft_is, hard_is] = [soft, hard].map(|row| below(&row.threshold, capacity));
        let text = format!(
            "the soft threshold {} on {} ({soft_is}) cannot act before the hard one {} ({hard_is}): \
             that one is met first, and does not wait {}",
            soft.written,
            soft.signal(),
            hard.written,
            span(soft.threshold.grace)
        );
        Some(warning(soft.at(), text, format!("a soft threshold above {hard_is}")))
    };
    soft(s).filter(|row| !row.threshold.is_hard()).filter_map(late).collect()
}

fn no_pod_grace(s: &Subject<'_>) -> Vec<Found> {
    let waits = soft(s).any(|row| !row.threshold.is_hard());
    if !waits || !s.config.policy.max_pod_grace.is_zero() || negative(s).is_some() {
        return Vec::new();
    }
    vec![warning(
        POD_GRACE,
        "a soft eviction leaves the pod no time to end: evictionMaxPodGracePeriod is 0, its default, \
         which the kubelet makes 1 s and evictd none; the pod's own grace period only shortens it",
        "evictionMaxPodGracePeriod: 30, or what the slowest pod needs",
    )]
}

fn negative_pod_grace(s: &Subject<'_>) -> Vec<Found> {
    let found = |seconds| {
        warning(
            POD_GRACE,
            format!("{seconds} does not mean the pod's own grace period: it ends as 1 s"),
            "evictionMaxPodGracePeriod: 30, or what the slowest pod needs",
        )
    };
    negative(s).map(found).into_iter().collect()
}

fn negative(s: &Subject<'_>) -> Option<i64> {
    s.config.policy.kubelet.negative_max_pod_grace_seconds
}

fn soft<'a>(s: &Subject<'a>) -> impl Iterator<Item = &'a InForce> {
    s.rows.iter().filter(|row| row.map == MapField::Soft)
}

#[cfg(test)]
mod tests {
    use evictd_core::Signal;

    use super::super::{Severity::Warning, tests::assert_found};
    use crate::check::sample::Case;

    fn soft(signal: &str, hard: &str, soft: &str, more: &str) -> Case {
        Case::evictd(&format!(
            "evictionHard: {{{signal}: \"{hard}\"}}\nevictionSoft: {{{signal}: \"{soft}\"}}\n\
             evictionSoftGracePeriod: {{{signal}: 1m30s}}\n{more}"
        ))
    }

    #[test]
    fn a_soft_threshold_below_the_hard_one_never_acts() {
        let code = "soft-after-hard";
        let memory = "memory.available";
        let nodefs = "nodefs.available";
        let unknown = |case: Case| case.node(|n| n.forget(Signal::NodefsAvailable, "not read"));
        for (name, case, expected) in [
            ("above", soft(memory, "1Gi", "2Gi", ""), None),
            (
                "below",
                soft(memory, "1Gi", "500Mi", ""),
                Some(
                    "500Mi on memory.available (500.0 MiB) cannot act before the hard one 1Gi (1.0 GiB): \
                      that one is met first, and does not wait 1m30s Instead: a soft threshold above 1.0",
                ),
            ),
            ("equal", soft(memory, "1Gi", "1Gi", ""), Some("cannot act before")),
            ("share of this node", soft(nodefs, "5%", "10Gi", ""), None),
            ("share of this node", soft(nodefs, "15%", "10Gi", ""), Some("15% (15.0 GiB)")),
            (
                "two shares of an unknown disk",
                unknown(soft(nodefs, "15%", "10%", "")),
                Some("above 15 %"),
            ),
            ("share and amount of it", unknown(soft(nodefs, "15%", "10Gi", "")), None),
        ] {
            let text: String = expected.unwrap_or_default().to_owned();
            let expected: Vec<_> = expected.map(|_| (Warning, text.as_str())).into_iter().collect();
            assert_found(name, &case, code, &expected);
        }
    }

    #[test]
    fn no_grace_makes_it_hard() {
        let case = soft("memory.available", "1Gi", "2Gi", "");
        assert_found("a minute", &case, "soft-is-hard", &[]);
        let none = Case::evictd(&case.text.replace("1m30s", "0s"));
        let text =
            "a grace period of nothing makes the soft threshold on memory.available a hard one";
        assert_found("0s", &none, "soft-is-hard", &[(Warning, text)]);
    }

    #[test]
    fn soft_evictions_need_a_grace_for_the_pod() {
        let code = "soft-without-pod-grace";
        let with = |more| soft("memory.available", "1Gi", "2Gi", more);
        assert_found("default", &with(""), code, &[(Warning, "leaves the pod no time to end")]);
        assert_found("set", &with("evictionMaxPodGracePeriod: 30\n"), code, &[]);
        assert_found("no soft one", &Case::evictd(""), code, &[]);
        let minus = with("").text + "evictionMaxPodGracePeriod: -1\n";
        let negative = Case::kubelet(&minus);
        assert_found("negative is told by itself", &negative, code, &[]);
        let text = "-1 does not mean the pod's own grace period";
        assert_found("negative", &negative, "negative-pod-grace", &[(Warning, text)]);
        assert_found("set", &with(""), "negative-pod-grace", &[]);
    }
}
