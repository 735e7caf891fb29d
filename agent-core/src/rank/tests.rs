use std::sync::Arc;

use super::*;
use crate::{DiskUsage, PodFacts, PodRef, PodUsage, Qos};

/// A pod in short: name, priority, request, usage.
type Short = (&'static str, i32, u64, Option<u64>);

fn pod(signal: Signal, (name, priority, request, usage): Short) -> PodObservation {
    let facts = PodFacts {
        id: PodRef { uid: name.into(), cgroup_inode: 1 },
        namespace: "default".into(),
        name: name.into(),
        priority,
        is_static: false,
        protected: false,
        qos: Qos::Burstable,
        memory_request: request,
        ephemeral_storage_request: request,
        termination_grace_seconds: None,
        spec: None,
    };
    let mut seen = PodUsage::default();
    match signal.resource() {
        Resource::Memory => seen.memory_working_set = usage,
        Resource::EphemeralStorage => {
            seen.logs = usage.map(|bytes| DiskUsage { bytes, inodes: 0 });
        }
        Resource::Inodes => seen.logs = usage.map(|inodes| DiskUsage { bytes: 0, inodes }),
        Resource::Pids => seen.tasks = usage,
    }
    PodObservation { facts: Arc::new(facts), usage: seen, stats: None }
}

const fn by(signal: Signal, semantics: Semantics) -> RankBy {
    RankBy {
        signal,
        semantics,
        layout: FsLayout::Single,
        summary: false,
        pod_level_resources: true,
    }
}

/// Ranks and gives names with what put each before the next, and checks that the order in which the
/// pods are listed does not matter.
fn ranked(
    signal: Signal,
    semantics: Semantics,
    pods: &[Short],
) -> Vec<(&'static str, Option<Comparator>)> {
    let rank = |pods: &[Short]| {
        let seen: Vec<_> = pods.iter().map(|&short| pod(signal, short)).collect();
        let mut ranking = Ranking::default();
        ranking.rank(by(signal, semantics), &seen, |_| None);
        let places = ranking.placements().iter();
        places.map(|place| (pods[place.pod].0, place.decided_by)).collect::<Vec<_>>()
    };
    let forward = rank(pods);
    let backward: Vec<_> = pods.iter().rev().copied().collect();
    assert_eq!(forward, rank(&backward), "the order of listing must not matter");
    forward
}

#[test]
fn ranks_as_the_rules_say() {
    use Comparator::{Consumption, ExceedsRequest, Priority, Uid, UsageKnown, UsageMissing};
    use Semantics::{Kubelet, Strict};
    use Signal::{MemoryAvailable, NodefsAvailable, NodefsInodesFree, PidAvailable};
    const HIGH: i32 = 1000;
    type Case = (
        &'static str,
        Signal,
        Semantics,
        &'static [Short],
        &'static [(&'static str, Option<Comparator>)],
    );
    let cases: [Case; 11] = [
        (
            "R-1 all three steps",
            MemoryAvailable,
            Strict,
            &[
                ("low-within", 0, 100, Some(90)),
                ("high-over", HIGH, 0, Some(10)),
                ("low-over", 0, 50, Some(60)),
                ("low-far-over", 0, 10, Some(60)),
            ],
            &[
                ("low-far-over", Some(Consumption)),
                ("low-over", Some(Priority)),
                ("high-over", Some(ExceedsRequest)),
                ("low-within", None),
            ],
        ),
        (
            "usage equal to the request does not exceed",
            MemoryAvailable,
            Strict,
            &[("equal", -5, 10, Some(10)), ("over", 5, 10, Some(11))],
            &[("over", Some(ExceedsRequest)), ("equal", None)],
        ),
        (
            "ties by UID",
            MemoryAvailable,
            Strict,
            &[("b", 0, 0, Some(1)), ("a", 0, 0, Some(1)), ("c", 0, 0, Some(1))],
            &[("a", Some(Uid)), ("b", Some(Uid)), ("c", None)],
        ),
        (
            "E-23 strict: unknown after known",
            MemoryAvailable,
            Strict,
            &[("unknown", -10, 0, None), ("known", HIGH, 100, Some(1))],
            &[("known", Some(UsageKnown)), ("unknown", None)],
        ),
        (
            "E-23 strict: all unknown by priority",
            MemoryAvailable,
            Strict,
            &[("high", HIGH, 0, None), ("low", 0, 0, None), ("low2", 0, 9, None)],
            &[("low", Some(Uid)), ("low2", Some(Priority)), ("high", None)],
        ),
        (
            "R-2 kubelet: unknown first, high priority or not",
            MemoryAvailable,
            Kubelet,
            &[("known", 0, 0, Some(1000)), ("unknown", HIGH, 0, None)],
            &[("unknown", Some(UsageMissing)), ("known", None)],
        ),
        (
            "R-1c disk",
            NodefsAvailable,
            Strict,
            &[("within", 0, 100, Some(99)), ("over", HIGH, 100, Some(101))],
            &[("over", Some(ExceedsRequest)), ("within", None)],
        ),
        (
            "E-26 strict: inodes are not bytes",
            NodefsInodesFree,
            Strict,
            &[("hog-with-request", 0, 1 << 30, Some(1_000_000)), ("small", 0, 0, Some(3))],
            &[("hog-with-request", Some(Consumption)), ("small", None)],
        ),
        (
            "R-6 kubelet: bytes taken off inodes",
            NodefsInodesFree,
            Kubelet,
            &[("hog-with-request", 0, 1 << 30, Some(1_000_000)), ("small", 0, 0, Some(3))],
            &[("small", Some(Consumption)), ("hog-with-request", None)],
        ),
        (
            "R-1b pids: priority, then tasks",
            PidAvailable,
            Strict,
            &[
                ("high-bomb", HIGH, 0, Some(30_000)),
                ("low", 0, 0, Some(2)),
                ("low-bomb", 0, 0, Some(900)),
            ],
            &[("low-bomb", Some(Consumption)), ("low", Some(Priority)), ("high-bomb", None)],
        ),
        (
            "E-24 kubelet pids: unknown first within its priority",
            PidAvailable,
            Kubelet,
            &[("high-unknown", HIGH, 0, None), ("known", 0, 0, Some(900)), ("unknown", 0, 0, None)],
            &[("unknown", Some(UsageMissing)), ("known", Some(Priority)), ("high-unknown", None)],
        ),
    ];
    for (name, signal, semantics, pods, order) in cases {
        assert_eq!(ranked(signal, semantics, pods), order, "{name}");
    }
}

#[test]
fn extremes_do_not_overflow() {
    let pods = [("a", i32::MIN, u64::MAX, Some(0)), ("b", i32::MIN, 0, Some(u64::MAX))];
    let order = ranked(Signal::MemoryAvailable, Semantics::Strict, &pods);
    assert_eq!(order[0], ("b", Some(Comparator::ExceedsRequest)));
}

#[test]
fn barred_pods_are_ranked_and_passed_over() {
    let signal = Signal::MemoryAvailable;
    let pods: Vec<_> =
        [("hog", 0, 0, Some(9)), ("small", 0, 0, Some(1))].map(|p| pod(signal, p)).into();
    let mut ranking = Ranking::default();
    ranking.rank(by(signal, Semantics::Strict), &pods, |pod| {
        (&*pod.facts.name == "hog").then_some(Bar::Protected)
    });
    assert_eq!(ranking.placements()[0].barred, Some(Bar::Protected));
    assert_eq!(ranking.first_evictable().map(|place| place.pod), Some(1));
}

#[test]
fn a_ranking_explains_itself() {
    let signal = Signal::MemoryAvailable;
    const MIB: u64 = 1 << 20;
    let shorts = [
        ("over", 0, 100 * MIB, Some(700 * MIB)),
        ("important", 1000, 0, Some(900 * MIB)),
        ("little-over", 0, 100 * MIB, Some(120 * MIB)),
        ("within", 0, 64 * MIB, Some(5 * MIB)),
        ("unknown", 0, 0, None),
    ];
    let pods: Vec<_> = shorts.iter().map(|&short| pod(signal, short)).collect();
    let ranking = rank_pods(&Policy::linux_defaults(), signal, &pods, Summary::NotTaken);
    let told: Vec<_> = (0..ranking.len())
        .map(|i| {
            let why = ranking[i].explain(ranking.get(i + 1), signal);
            (shorts[ranking[i].pod].0, ranking[i].above_request(), why.map(|why| why.to_string()))
        })
        .collect();
    let mib = |n: i64| Some(n << 20);
    let expected = [
        ("over", mib(600), Some("usage above request 600Mi > 20Mi")),
        ("little-over", mib(20), Some("priority 0 < 1000")),
        (
            "important",
            mib(900),
            Some("exceeds request: 900Mi used > 0 requested, next pod does not: 5Mi <= 64Mi"),
        ),
        ("within", mib(-59), Some("usage is known, next pod's is not")),
        ("unknown", None, None),
    ];
    assert_eq!(told, expected.map(|(pod, above, why)| (pod, above, why.map(str::to_owned))));
}
