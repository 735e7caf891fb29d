//! Memory of the pods cgroup.

use evictd_core::Signal;

use super::{Found, Rule, Severity, Subject, by_origin, note};
use crate::check::{facts::PodsCgroup, places::At};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "no-allocatable-copy", because: &["T-12", "S-14"], find: no_copy },
    Rule { code: "allocatable-memory-unknown", because: &["S-13", "S-14"], find: unknown },
];

const ALLOCATABLE: Signal = Signal::AllocatableMemoryAvailable;

fn no_copy(s: &Subject<'_>) -> Vec<Found> {
    let hard = |signal| s.rows.iter().any(|r| r.signal() == signal && r.threshold.is_hard());
    if s.config.eviction.maps.enforce_pods || !hard(Signal::MemoryAvailable) || hard(ALLOCATABLE) {
        return Vec::new();
    }
    vec![note(
        At::Field("enforceNodeAllocatable"),
        "memory.available is not copied to allocatableMemory.available: enforceNodeAllocatable lacks \
         pods, so the pods cgroup has no limit of its own and is not watched",
        "enforceNodeAllocatable: [pods], its default, or evictionHard allocatableMemory.available",
    )]
}

fn unknown(s: &Subject<'_>) -> Vec<Found> {
    let row = s.rows.iter().find(|row| row.signal() == ALLOCATABLE);
    let Some(row) = row.filter(|_| s.node.read && s.node.seen(ALLOCATABLE).is_none()) else {
        return Vec::new();
    };
    let reason = s.node.reason(ALLOCATABLE).unwrap_or("it cannot be read");
    let text = format!("{ALLOCATABLE} is unknown, and so never met: {reason}");
    let instead = match s.node.pods_cgroup {
        PodsCgroup::Missing => {
            "cgroupRoot: the cgroup that holds kubepods, once the kubelet has made it"
        }
        PodsCgroup::Unlimited | PodsCgroup::Limited | PodsCgroup::NotRead => {
            "kubeReserved and systemReserved, from which the kubelet makes the limit"
        }
    };
    let found = by_origin(row, text, instead);
    let severity = match s.node.pods_cgroup {
        // It is made when the kubelet starts.
        PodsCgroup::Missing => Severity::Note,
        PodsCgroup::Unlimited => Severity::Warning,
        PodsCgroup::Limited | PodsCgroup::NotRead => found.severity,
    };
    vec![Found { severity, ..found }]
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
    fn without_pods_enforced_there_is_no_copy() {
        let code = "no-allocatable-copy";
        let lacks = |text: &str| Case::evictd(text).maps(|maps| maps.enforce_pods = false);
        assert_found("enforced", &Case::evictd(""), code, &[]);
        assert_found("not enforced", &lacks(""), code, &[(Note, "is not copied to")]);
        let own = "evictionHard: {memory.available: 1Gi, allocatableMemory.available: 1Gi}\n";
        assert_found("its own", &lacks(own), code, &[]);
        assert_found("no memory", &lacks("evictionHard: {pid.available: 9%}\n"), code, &[]);
    }

    #[test]
    fn a_pods_cgroup_without_limit_has_nothing_left_to_watch() {
        let code = "allocatable-memory-unknown";
        let node = |cgroup: PodsCgroup| {
            Case::evictd("").node(|n| {
                n.forget(ALLOCATABLE, "cgroup /kubepods is such");
                n.pods_cgroup = cgroup;
            })
        };
        let text = "is unknown, and so never met: cgroup /kubepods is such";
        assert_found("limited", &Case::evictd(""), code, &[]);
        assert_found("unlimited", &node(PodsCgroup::Unlimited), code, &[(Warning, text)]);
        assert_found("missing", &node(PodsCgroup::Missing), code, &[(Note, text)]);
        let unread = node(PodsCgroup::NotRead).node(|n| n.read = false);
        assert_found("not read", &unread, code, &[]);
    }
}
