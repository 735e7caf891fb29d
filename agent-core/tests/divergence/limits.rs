//! Limits of local storage.

use std::sync::Arc;

use evictd_core::{
    Container, ContainerStats, DiskInfo, Format, FsStats, PodSpec, PodSpecParts, PodStats,
    Quantity, ResourceList,
    Semantics::{Kubelet, Strict},
};

use crate::node::{MEMORY, Node, hard, pod, with_stats};

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
