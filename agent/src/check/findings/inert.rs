//! Fields beside the maps that do not do what they seem to.

use evictd_core::{Policy, parse_duration};

use super::{Found, Rule, Subject, note, warning};
use crate::{
    check::{amount::span, places::At},
    config::ConfigKind,
    sample::CgroupKind,
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "transition-period-defaulted", because: &["T-23", "L-9"], find: defaulted },
    Rule { code: "kernel-notification-inert", because: &["E-37", "N-2"], find: notification_inert },
];

fn defaulted(s: &Subject<'_>) -> Vec<Found> {
    const FIELD: &str = "evictionPressureTransitionPeriod";
    let written = s.places.text(FIELD).and_then(|text| parse_duration(text).ok());
    // Drop-ins and flags win over the file.
    let default = s.config.policy.transition_period == Policy::DEFAULT_TRANSITION_PERIOD;
    if !written.is_some_and(|period| period.is_zero()) || !default {
        return Vec::new();
    }
    let text = format!(
        "a period of nothing is taken for none written: conditions outlast their cause by {}",
        span(Policy::DEFAULT_TRANSITION_PERIOD)
    );
    vec![note(At::Field(FIELD), text, "1s, for conditions that end with their cause")]
}

fn notification_inert(s: &Subject<'_>) -> Vec<Found> {
    const AT: At = At::Field("kernelMemcgNotification");
    const REMOVE: &str = "remove it";
    if !s.config.eviction.kernel_memcg_notification {
        return Vec::new();
    }
    match (s.config.eviction.kind, s.node.cgroups) {
        (ConfigKind::Evictd, _) => {
            vec![note(AT, "evictd has no use for it: the kernel wakes it anyway", REMOVE)]
        }
        (ConfigKind::Kubelet, Some(CgroupKind::V2)) => {
            let text = "it does nothing on cgroup v2, which this node has: the kubelet looks at memory \
                        every 10 s all the same, and does not say so";
            vec![warning(AT, text, REMOVE)]
        }
        (ConfigKind::Kubelet, Some(CgroupKind::Hybrid | CgroupKind::V1) | None) => Vec::new(),
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

    #[test]
    fn a_period_of_nothing_is_the_default() {
        let code = "transition-period-defaulted";
        let period = |text: &str| format!("evictionPressureTransitionPeriod: {text}\n");
        let expected = &[(Note, "outlast their cause by 5m")];
        assert_found("0s", &Case::evictd(&period("0s")), code, expected);
        assert_found("1s", &Case::evictd(&period("1s")), code, &[]);
        assert_found("not written", &Case::evictd(""), code, &[]);
    }

    #[test]
    fn memory_notification_does_nothing_on_v2() {
        let code = "kernel-notification-inert";
        const ON: &str = "kernelMemcgNotification: true\n";
        let v1 = |n: &mut crate::check::facts::NodeFacts| n.cgroups = Some(CgroupKind::V1);
        for (name, case, expected) in [
            ("v2", Case::kubelet(ON), Some((Warning, "it does nothing on cgroup v2"))),
            ("v1", Case::kubelet(ON).node(v1), None),
            ("off", Case::kubelet("kernelMemcgNotification: false\n"), None),
            ("evictd", Case::evictd(ON), Some((Note, "evictd has no use for it"))),
        ] {
            assert_found(name, &case, code, expected.as_slice());
        }
    }
}
