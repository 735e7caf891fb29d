//! The recorded configuration as a policy, and recorded times as points of the evaluator's clock.

use std::time::Duration;

use evictd_core::{
    EvictionMaps, FilesystemStats, KubeletOptions, MemoryStats, MonoTime, NodeStats, Policy,
    PolicyError, Semantics, TaskStats,
};

use crate::scenario::{self, Config};

/// Recorded times may lie before the start.
const START_SECONDS: f64 = 1_000_000.0;

pub(crate) fn maps(config: &Config) -> EvictionMaps {
    EvictionMaps {
        hard: config.eviction_hard.clone(),
        soft: config.eviction_soft.clone(),
        soft_grace_period: config.eviction_soft_grace_period.clone(),
        minimum_reclaim: config.eviction_minimum_reclaim.clone(),
        enforce_pods: config.enforce_node_allocatable.iter().any(|key| key == "pods"),
        semantics: Semantics::Kubelet,
    }
}

pub(crate) fn policy(config: &Config) -> Result<Policy, PolicyError> {
    let gate = |name: &str| *config.feature_gates.get(name).unwrap_or(&true);
    let mut policy = Policy::parse(&maps(config))?;
    policy.transition_period = Duration::from_secs_f64(config.pressure_transition_period_s);
    let grace = config.max_pod_grace_period_s;
    policy.max_pod_grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
    policy.kubelet = KubeletOptions {
        local_storage_isolation: config.local_storage_capacity_isolation,
        separate_disk_gc: gate("KubeletSeparateDiskGC"),
        pod_level_resources: gate("PodLevelResources"),
        negative_max_pod_grace_seconds: (grace < 0).then_some(grace),
    };
    Ok(policy)
}

/// A point in seconds on the recording's axis.
pub(crate) fn at(seconds: f64) -> MonoTime {
    MonoTime::from_nanos(((seconds + START_SECONDS) * 1e9).round() as u64)
}

pub(crate) fn node_stats(node: &scenario::NodeStats) -> NodeStats {
    let memory = |memory: &scenario::Memory| MemoryStats {
        available: memory.available,
        working_set: memory.working_set,
        at: memory.time.map(at),
    };
    let filesystem = |fs: &scenario::Filesystem| FilesystemStats {
        available: fs.available,
        capacity: fs.capacity,
        inodes_free: fs.inodes_free,
        inodes: fs.inodes,
        at: fs.time.map(at),
    };
    NodeStats {
        memory: memory(&node.memory),
        pods_cgroup: memory(&node.pods_cgroup),
        nodefs: filesystem(&node.nodefs),
        imagefs: filesystem(&node.imagefs),
        containerfs: filesystem(&node.containerfs),
        tasks: TaskStats {
            max: node.rlimit.max_pid,
            running: node.rlimit.cur_proc,
            at: node.rlimit.time.map(at),
        },
    }
}
