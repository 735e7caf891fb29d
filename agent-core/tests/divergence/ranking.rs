//! Who goes first.

use std::sync::Arc;

use evictd_core::{
    Container, DiskUsage, FsStats, PodLevelResources, PodObservation, PodSpec, PodSpecParts,
    PodStats, Quantity, ResourceList,
    Semantics::{Kubelet, Strict},
    VolumeStats,
};

use crate::node::{INODES, MEMORY, NODEFS, Node, hard, memory_user, pod, with_stats};

fn bytes(n: i64) -> ResourceList {
    let amount = Some(Quantity::new(n, evictd_core::Format::BinarySi));
    ResourceList { ephemeral_storage: amount, ..ResourceList::default() }
}

/// A pod that holds so many bytes and inodes in logs, and requests so many bytes of disk.
fn disk_user(name: &str, used: u64, inodes: u64, request: u64, spec: PodSpec) -> PodObservation {
    let pod = pod(name, |facts, usage| {
        facts.ephemeral_storage_request = request;
        facts.spec = Some(Arc::new(spec));
        usage.logs = Some(DiskUsage { bytes: used, inodes });
    });
    let logs = FsStats { used: Some(used), inodes_used: Some(inodes) };
    let container = evictd_core::ContainerStats {
        name: "c".into(),
        memory_working_set: None,
        rootfs: FsStats::default(),
        logs,
    };
    let volumes: Vec<VolumeStats> = Vec::new();
    with_stats(pod, PodStats { containers: vec![container], volumes, ..PodStats::default() })
}

fn spec(request: i64, pod_level: Option<PodLevelResources>) -> PodSpec {
    let container = Container {
        name: "c".into(),
        requests: bytes(request),
        limits: ResourceList::default(),
        is_sidecar: false,
    };
    PodSpec::new(PodSpecParts { containers: vec![container], pod_level, ..PodSpecParts::default() })
}

#[test]
fn e23_a_pod_without_statistics_is_not_the_first_to_go() {
    let unknown = pod("unknown", |facts, _| facts.priority = 1000);
    let pods = [memory_user("known", 50), unknown];
    for (semantics, evicted) in [
        (Kubelet, "evict unknown for memory.available"),
        (Strict, "evict known for memory.available"),
    ] {
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &pods);
        assert_eq!(node.look(1, &[(MEMORY, 50)]), [evicted], "{semantics:?}");
    }
}

#[test]
fn e26_a_request_of_bytes_does_not_shield_inodes() {
    let pods = [
        disk_user("hog", 0, 1_000_000, 1 << 30, spec(1 << 30, None)),
        disk_user("small", 0, 3, 0, spec(0, None)),
    ];
    for (semantics, evicted) in [
        (Kubelet, "evict small for nodefs.inodesFree"),
        (Strict, "evict hog for nodefs.inodesFree"),
    ] {
        let mut node = Node::new(semantics, &hard(&[(INODES, "100")]), &pods);
        node.look(1, &[(INODES, 50)]);
        assert_eq!(node.reclaimed(1, &[(INODES, 50)]), [evicted], "{semantics:?}");
    }
}

#[test]
fn e27_pod_level_resources_do_not_hide_requests_of_disk() {
    let memory = Some(Quantity::new(1 << 30, evictd_core::Format::BinarySi));
    let requests = ResourceList { memory, ..ResourceList::default() };
    let pod_level = PodLevelResources { requests, ..PodLevelResources::default() };
    let pods = [
        disk_user("within", 50, 1, 100, spec(100, Some(pod_level))),
        disk_user("over", 20, 1, 10, spec(10, None)),
    ];
    for (semantics, evicted) in [
        (Kubelet, "evict within for nodefs.available"),
        (Strict, "evict over for nodefs.available"),
    ] {
        let mut node = Node::new(semantics, &hard(&[(NODEFS, "100")]), &pods);
        node.look(1, &[(NODEFS, 50)]);
        assert_eq!(node.reclaimed(1, &[(NODEFS, 50)]), [evicted], "{semantics:?}");
    }
}
