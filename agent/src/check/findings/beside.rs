//! Thresholds that the kubelet on the same node acts on too.

use evictd_core::{FsLayout, Signal, Threshold};

use super::{Found, Rule, Subject, note, warning};
use crate::{
    check::{
        amount::below,
        beside::Beside,
        in_force::{InForce, quantities},
        places::At,
    },
    config::KUBELET_MARGIN_PERCENT,
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "kubelet-acts-too", because: &["L-1", "L-4"], find: acts_too },
    Rule { code: "kubelet-close-behind", because: &["L-1", "L-4"], find: close_behind },
    Rule { code: "kubelet-not-compared", because: &[], find: not_compared },
];

/// How far above the kubelet's evictd's threshold should be, in percent of the kubelet's.
const MARGIN_PERCENT: i64 = KUBELET_MARGIN_PERCENT as i64;

const ADVICE: &str = "a threshold at least 10 % above the kubelet's, a lower one there, or none here beside \
                      `evictd run --kubelet-config`";

/// evictd's threshold that is to act before the kubelet's, and the kubelet's.
struct Race<'a> {
    ours: &'a InForce,
    theirs: Threshold,
    /// Their amounts, or shares of the same unknown capacity.
    amounts: (i64, i64),
    capacity: Option<i64>,
}

fn acts_too(s: &Subject<'_>) -> Vec<Found> {
    let lost = races(s).into_iter().filter(|race| race.amounts.0 <= race.amounts.1);
    let found = |race: Race<'_>| {
        let which = if race.amounts.0 == race.amounts.1 {
            "both act on it, each with a victim of its own"
        } else {
            "the kubelet acts first"
        };
        warning(race.ours.at(), format!("{}: {which}", race.sides()), ADVICE)
    };
    lost.map(found).collect()
}

fn close_behind(s: &Subject<'_>) -> Vec<Found> {
    let margin = |theirs: i64| theirs.saturating_add(theirs / 100 * MARGIN_PERCENT);
    let close = |race: &Race<'_>| {
        let (ours, theirs) = race.amounts;
        ours > theirs && ours < margin(theirs)
    };
    let found = |race: Race<'_>| {
        let text = format!(
            "{}: less than {MARGIN_PERCENT} % apart, so the kubelet may look before evictd's eviction \
             shows, and evict another pod",
            race.sides()
        );
        note(race.ours.at(), text, ADVICE)
    };
    races(s).into_iter().filter(close).map(found).collect()
}

fn not_compared(s: &Subject<'_>) -> Vec<Found> {
    let Beside::Unknown(reason) = s.beside else {
        return Vec::new();
    };
    let text = format!("evictd's thresholds were not held against the kubelet's: {reason}");
    vec![note(At::Whole, text, "--kubelet FILE with the KubeletConfiguration of the node")]
}

/// For each of the kubelet's thresholds the one of evictd that meets it: on the same resource, the
/// highest of those that wait no longer. Signals that evictd leaves to the kubelet alone are no race.
fn races<'a>(s: &Subject<'a>) -> Vec<Race<'a>> {
    let Beside::Kubelet { config, .. } = s.beside else {
        return Vec::new();
    };
    let race = |theirs: &Threshold| {
        let signal = own(s, theirs.signal);
        let capacity = s.node.capacity(signal);
        let ours = s.rows.iter().filter(|row| row.signal() == signal);
        let race = |row: &'a InForce| {
            let amounts = quantities(&row.threshold, theirs, capacity)?;
            Some(Race { ours: row, theirs: *theirs, amounts, capacity })
        };
        let in_time = |race: &Race<'_>| race.ours.threshold.grace <= theirs.grace;
        ours.filter_map(race).max_by_key(|race| (in_time(race), race.amounts.0))
    };
    config.policy.thresholds.iter().filter_map(race).collect()
}

/// evictd's signal for the disk that a signal of the kubelet's is about: on one disk, nodefs stands for
/// imagefs.
fn own(s: &Subject<'_>, signal: Signal) -> Signal {
    let one_disk = s.node.layout() == Some(FsLayout::Single);
    let watched = s.rows.iter().any(|row| row.signal() == signal);
    let stand_ins = [
        (Signal::ImagefsAvailable, Signal::NodefsAvailable),
        (Signal::ImagefsInodesFree, Signal::NodefsInodesFree),
    ];
    let stand_in = stand_ins.into_iter().find(|(imagefs, _)| *imagefs == signal);
    stand_in.filter(|_| one_disk && !watched).map_or(signal, |(_, nodefs)| nodefs)
}

impl Race<'_> {
    fn sides(&self) -> String {
        let (ours, theirs) = (&self.ours.threshold, &self.theirs);
        let side = |t: &Threshold| {
            let kind = if t.is_hard() { "hard" } else { "soft" };
            format!("{kind} threshold on {} is {}", t.signal, below(t, self.capacity))
        };
        format!("evictd's {}, the kubelet's {}", side(ours), side(theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Severity::{Note, Warning},
        tests::assert_found,
    };
    use super::*;
    use crate::check::sample::Case;

    fn memory(ours: &str, theirs: &str) -> Case {
        let hard = |value| format!("evictionHard: {{memory.available: {value}}}\n");
        // Without the copy for the pods cgroup, of which everything would be said twice.
        let case = Case::evictd(&hard(ours)).maps(|maps| maps.enforce_pods = false);
        case.beside(&hard(theirs))
    }

    #[test]
    fn the_kubelet_must_not_act_first() {
        let (too, close) = ("kubelet-acts-too", "kubelet-close-behind");
        for (name, case, code, expected) in [
            ("equal", memory("500Mi", "500Mi"), too, Some((Warning, "both act on it"))),
            (
                "lower",
                memory("100Mi", "500Mi"),
                too,
                Some((
                    Warning,
                    "evictd's hard threshold on memory.available is 100.0 MiB, the kubelet's hard \
                     threshold on memory.available is 500.0 MiB: the kubelet acts first",
                )),
            ),
            ("higher", memory("501Mi", "500Mi"), too, None),
            ("just above", memory("549Mi", "500Mi"), close, Some((Note, "less than 10 % apart"))),
            ("well above", memory("550Mi", "500Mi"), close, None),
            ("lower is no note", memory("100Mi", "500Mi"), close, None),
        ] {
            assert_found(name, &case, code, expected.as_slice());
        }
    }

    #[test]
    fn grace_and_disks_are_heeded() {
        let code = "kubelet-acts-too";
        let soft = "evictionSoft: {memory.available: 1Gi}\n\
                    evictionSoftGracePeriod: {memory.available: 1m}\n";
        let case = Case::evictd("evictionHard: {memory.available: 500Mi}\n");
        let text =
            "the kubelet's soft threshold on memory.available is 1.0 GiB: the kubelet acts first";
        let both = format!("evictionHard: {{memory.available: 100Mi}}\n{soft}");
        assert_found("a soft one above", &case.beside(&both), code, &[(Warning, text)]);

        let nodefs =
            |value: &str| Case::evictd(&format!("evictionHard: {{nodefs.available: {value}}}\n"));
        let one_disk = |case: Case| case.images(Some(false)).beside("");
        let text = "evictd's hard threshold on nodefs.available is 12.0 GiB, the kubelet's hard \
                    threshold on imagefs.available is 15.0 GiB";
        assert_found("imagefs on one disk", &one_disk(nodefs("12%")), code, &[(Warning, text)]);
        assert_found("above both", &one_disk(nodefs("20%")), code, &[]);

        let unknown =
            nodefs("5%").node(|n| n.forget(Signal::NodefsAvailable, "not read")).beside("");
        let text =
            "nodefs.available is 5 %, the kubelet's hard threshold on nodefs.available is 10 %";
        assert_found("shares of an unknown disk", &unknown, code, &[(Warning, text)]);
    }

    #[test]
    fn what_was_not_compared_is_told() {
        let code = "kubelet-not-compared";
        assert_found("the kubelet's own", &Case::evictd(""), code, &[]);
        assert_found("compared", &memory("1Gi", "1Gi"), code, &[]);
        let mut case = Case::evictd("");
        case.beside = Beside::Unknown("no --kubelet was given".to_owned());
        assert_found("unknown", &case, code, &[(Note, "no --kubelet was given")]);
    }
}
