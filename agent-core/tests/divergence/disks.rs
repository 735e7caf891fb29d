//! How the filesystems lie.

use evictd_core::{
    DiskInfo, DiskUsage, EvictionMaps, FsLayout, NodeReclaim, Policy, RuntimeFs, Semantics,
    Semantics::{Kubelet, Strict},
    Signal, has_dedicated_imagefs,
};

use crate::node::{IMAGEFS, MEMORY, NODEFS, Node, hard, memory_user, pod};

const SPLIT: DiskInfo = DiskInfo { dedicated_imagefs: Ok(true), dedicated_containerfs: Ok(true) };

fn policy(semantics: Semantics) -> Policy {
    let maps = hard(&[(MEMORY, "100"), (IMAGEFS, "100")]);
    Policy { semantics, node_reclaim: NodeReclaim::First, ..Policy::parse(&maps).unwrap() }
}

#[test]
fn e14_a_split_filesystem_does_not_stop_every_eviction() {
    for (semantics, evicted) in
        [(Kubelet, &[][..]), (Strict, &["evict a for memory.available"][..])]
    {
        let mut policy = policy(semantics);
        policy.kubelet.separate_disk_gc = false;
        let mut node = Node::with_policy(policy, &[memory_user("a", 5)]);
        let told = node.evaluator.handle_disk_info(&SPLIT);
        assert_eq!(told.is_err(), semantics == Kubelet);
        assert_eq!(node.look(1, &[(MEMORY, 50)]), evicted, "{semantics:?}");
        assert_eq!(node.evaluator.policy().layout, FsLayout::Split);
    }
}

#[test]
fn e25_nobody_is_evicted_for_a_filesystem_on_which_pods_hold_nothing() {
    let small = pod("small", |facts, _| facts.ephemeral_storage_request = 1);
    let large = pod("large", |facts, _| facts.ephemeral_storage_request = 9);
    for (semantics, result) in
        [(Kubelet, "evict small for imagefs.available"), (Strict, "unable for imagefs.available")]
    {
        let mut node = Node::with_policy(policy(semantics), &[large.clone(), small.clone()]);
        node.evaluator.handle_disk_info(&SPLIT).unwrap();
        node.summary = evictd_core::Summary::NotTaken;
        assert_eq!(node.look(1, &[(IMAGEFS, 50)]), ["reclaim for imagefs.available"]);
        assert_eq!(node.reclaimed(1, &[(IMAGEFS, 50)]), [result], "{semantics:?}");
    }
}

#[test]
fn e56_silence_of_the_runtime_is_no_dedicated_imagefs() {
    let fs = RuntimeFs { available: 1, capacity: 2, inodes_used: 3, inodes_free: 4, inodes: 7 };
    let other = RuntimeFs { available: 9, ..fs };
    let cases = [
        ("another device", false, Some(fs), Some(fs), (true, true)),
        ("the same numbers", true, Some(fs), Some(fs), (false, false)),
        ("other numbers", true, Some(fs), Some(other), (true, true)),
        ("nothing of images", true, None, Some(fs), (true, false)),
        ("nothing of containers", true, Some(fs), None, (true, false)),
    ];
    for (name, same_device, images, containers, (kubelet, strict)) in cases {
        let dedicated =
            |semantics| has_dedicated_imagefs(same_device, images, containers, semantics);
        assert_eq!((dedicated(Kubelet), dedicated(Strict)), (kubelet, strict), "{name}");
    }
}

/// Logs that lie apart fill their own filesystem: the kubelet has no signal for it. Which filesystem
/// that is, and that its filling up evicts, is shown on a node by the test of the same name.
#[test]
fn e46_what_holds_for_nodefs_holds_for_logs_that_lie_apart() {
    const LOGFS: Signal = Signal::LogfsAvailable;
    let writer = pod("writer", |_, usage| {
        usage.separate_logs = Some(DiskUsage { bytes: 50, inodes: 1 });
    });
    let others = pod("volumes", |_, usage| {
        usage.local_volumes = Some(DiskUsage { bytes: 900, inodes: 1 });
    });
    for (semantics, evicted) in
        [(Kubelet, &[][..]), (Strict, &["evict writer for logfs.available"][..])]
    {
        let maps = EvictionMaps { semantics, ..hard(&[(NODEFS, "100")]) };
        let policy = Policy::parse(&maps).unwrap().with_logs_apart(&maps);
        let mut node = Node::with_policy(policy, &[others.clone(), writer.clone()]);
        node.summary = evictd_core::Summary::NotTaken;
        assert_eq!(node.look(1, &[(NODEFS, 500), (LOGFS, 50)]), evicted, "{semantics:?}");
    }
}

#[test]
fn e46_what_is_set_for_logs_is_not_copied_over_and_the_kubelet_does_not_know_it() {
    let maps = |semantics, entries| EvictionMaps { semantics, ..hard(entries) };
    let listed = |maps: &EvictionMaps| {
        let policy = Policy::parse(maps).map(|policy| policy.with_logs_apart(maps));
        policy.map(|p| p.thresholds.iter().map(|t| t.signal).collect::<Vec<_>>())
    };
    const LOGFS: Signal = Signal::LogfsAvailable;
    assert_eq!(listed(&maps(Strict, &[(NODEFS, "100")])), Ok(vec![NODEFS, LOGFS]));
    let own = &[(NODEFS, "100"), (LOGFS, "7")];
    assert_eq!(listed(&maps(Strict, own)), Ok(vec![NODEFS, LOGFS]), "the user's own");
    let off = &[(NODEFS, "100"), (LOGFS, "0%")];
    assert_eq!(listed(&maps(Strict, off)), Ok(vec![NODEFS]), "switched off");
    let error = listed(&maps(Kubelet, own)).unwrap_err();
    assert_eq!(error.to_string(), "unsupported eviction signal logfs.available");
}
