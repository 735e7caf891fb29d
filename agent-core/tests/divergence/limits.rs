//! Limits of local storage.

use std::sync::Arc;

use evictd_core::{
    Container, ContainerStats, DiskInfo, EvictionId, Format, FsStats, Outcome, PodFacts,
    PodObservation, PodSpec, PodSpecParts, PodStats, Quantity, ResourceList,
    Semantics::{Kubelet, Strict},
    Summary,
};

use crate::node::{MEMORY, Node, hard, pod, with_stats};

/// A pod whose one container may hold 100 bytes of disk and holds so many in its logs.
fn logger(name: &str, held: u64, change: impl FnOnce(&mut PodFacts)) -> PodObservation {
    let amount = Some(Quantity::new(100, Format::BinarySi));
    let limits = ResourceList { ephemeral_storage: amount, ..ResourceList::default() };
    let container = Container { name: "c".into(), requests: limits, limits, is_sidecar: false };
    let spec =
        PodSpec::new(PodSpecParts { containers: vec![container], ..PodSpecParts::default() });
    let pod = pod(name, |facts, _| {
        facts.spec = Some(Arc::new(spec));
        change(facts);
    });
    let held = FsStats { used: Some(held), inodes_used: None };
    let container = ContainerStats {
        name: "c".into(),
        memory_working_set: None,
        rootfs: FsStats::default(),
        logs: held,
    };
    with_stats(pod, PodStats { containers: vec![container], ..PodStats::default() })
}

/// Without the kubelet's summary, pods are held to their limits as far as statistics of them were read;
/// what of the node could not be read plays no part in strict semantics (E-17).
#[test]
fn limits_need_the_statistics_of_that_pod_alone() {
    let no_stats = PodObservation { stats: None, ..logger("unknown", 900, |_| ()) };
    let pods = [
        no_stats,
        logger("below", 100, |_| ()),
        logger("static", 900, |facts| facts.is_static = true),
        logger("protected", 900, |facts| facts.protected = true),
        logger("over", 101, |_| ()),
    ];
    for (semantics, summary, evicted) in [
        (Kubelet, Summary::NotTaken, &["evict over over ephemeralcontainerfs.limit"][..]),
        (Strict, Summary::NotTaken, &["evict over over ephemeralcontainerfs.limit"]),
        (Kubelet, Summary::Failed, &[]),
        (Strict, Summary::Failed, &["evict over over ephemeralcontainerfs.limit"]),
    ] {
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &pods);
        node.summary = summary;
        assert_eq!(node.look(1, &[(MEMORY, 500)]), evicted, "{semantics:?} {summary:?}");
        assert_eq!(node.look(2, &[(MEMORY, 500)]), [""; 0], "once: {semantics:?} {summary:?}");
    }
}

/// Observe mode: the pod counts as evicted until it is gone.
#[test]
fn a_limit_that_was_only_observed_is_told_once() {
    for semantics in [Kubelet, Strict] {
        let pods = [logger("over", 101, |_| ())];
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &pods);
        node.summary = Summary::NotTaken;
        assert_eq!(node.look(1, &[(MEMORY, 500)]).len(), 1, "{semantics:?}");
        node.outcome(1, &Outcome::Observed { id: EvictionId(1) });
        assert_eq!(node.look(2, &[(MEMORY, 500)]), [""; 0], "{semantics:?}");
    }
}

/// E-30, E-31: everybody at once, and thresholds wait.
#[test]
fn every_pod_over_its_limit_goes_before_any_threshold() {
    for semantics in [Kubelet, Strict] {
        let pods = [logger("a", 101, |_| ()), logger("b", 102, |_| ())];
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &pods);
        let over = |name| format!("evict {name} over ephemeralcontainerfs.limit");
        assert_eq!(node.look(1, &[(MEMORY, 50)]), [over("a"), over("b")], "{semantics:?}");
    }
}

#[test]
fn e28_writable_layers_count_wherever_they_lie() {
    let amount = Some(Quantity::new(100, Format::BinarySi));
    let limits = ResourceList { ephemeral_storage: amount, ..ResourceList::default() };
    let container = Container { name: "c".into(), requests: limits, limits, is_sidecar: false };
    let spec =
        PodSpec::new(PodSpecParts { containers: vec![container], ..PodSpecParts::default() });
    let writer = pod("writer", |facts, _| facts.spec = Some(Arc::new(spec)));
    let held = |n| FsStats { used: Some(n), inodes_used: None };
    let stats = PodStats {
        containers: vec![ContainerStats {
            name: "c".into(),
            memory_working_set: None,
            rootfs: held(90),
            logs: held(20),
        }],
        ..PodStats::default()
    };
    let writer = with_stats(writer, stats);
    for (semantics, evicted) in
        [(Kubelet, &[][..]), (Strict, &["evict writer over ephemeralcontainerfs.limit"][..])]
    {
        let maps = hard(&[(MEMORY, "100")]);
        let mut node = Node::new(semantics, &maps, std::slice::from_ref(&writer));
        let dedicated = DiskInfo { dedicated_imagefs: Ok(true), dedicated_containerfs: Ok(false) };
        node.evaluator.handle_disk_info(&dedicated).unwrap();
        assert_eq!(node.look(1, &[(MEMORY, 500)]), evicted, "{semantics:?}");
    }
}
