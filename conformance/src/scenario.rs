//! The recorded scenarios. A key that is absent means null, empty, false or 0.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) config: Config,
    #[serde(default)]
    pub(crate) node: Disks,
    #[serde(default)]
    pub(crate) pods: Vec<Pod>,
    pub(crate) steps: Vec<Step>,
    /// For each step, for each hidden state before it, the possible outcomes.
    pub(crate) expected: Vec<Vec<Vec<Value>>>,
}

pub(crate) type Strings = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) eviction_hard: Strings,
    pub(crate) eviction_soft: Strings,
    pub(crate) eviction_soft_grace_period: Strings,
    pub(crate) eviction_minimum_reclaim: Strings,
    pub(crate) pressure_transition_period_s: f64,
    pub(crate) max_pod_grace_period_s: i64,
    pub(crate) enforce_node_allocatable: Vec<String>,
    pub(crate) local_storage_capacity_isolation: bool,
    pub(crate) feature_gates: BTreeMap<String, bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Disks {
    pub(crate) dedicated_imagefs: bool,
    pub(crate) dedicated_containerfs: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) priority: i32,
    #[serde(rename = "static")]
    pub(crate) is_static: bool,
    pub(crate) mirror: bool,
    pub(crate) termination_grace_period_s: Option<i64>,
    pub(crate) containers: Vec<Container>,
    pub(crate) init_containers: Vec<Container>,
    pub(crate) pod_resources: Option<Resources>,
    pub(crate) overhead: Strings,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) active_from_step: usize,
    pub(crate) active_until_step: Option<usize>,
    pub(crate) sticky_steps: i64,
    pub(crate) kill_error: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    pub(crate) requests: Strings,
    pub(crate) limits: Strings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) requests: Strings,
    pub(crate) limits: Strings,
    pub(crate) restart_policy: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Volume {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) size_limit: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    pub(crate) t: f64,
    pub(crate) node: NodeStats,
    pub(crate) pods: BTreeMap<String, Option<PodStats>>,
    pub(crate) node_after_gc: Option<NodeStats>,
    pub(crate) summary_error: bool,
    pub(crate) summary_error_after_gc: bool,
    pub(crate) disk_info_error: bool,
    pub(crate) containerfs_info_error: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeStats {
    pub(crate) memory: Memory,
    pub(crate) pods_cgroup: Memory,
    pub(crate) nodefs: Filesystem,
    pub(crate) imagefs: Filesystem,
    pub(crate) containerfs: Filesystem,
    pub(crate) rlimit: Rlimit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    pub(crate) available: Option<u64>,
    pub(crate) working_set: Option<u64>,
    pub(crate) time: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filesystem {
    pub(crate) available: Option<u64>,
    pub(crate) capacity: Option<u64>,
    pub(crate) inodes_free: Option<u64>,
    pub(crate) inodes: Option<u64>,
    pub(crate) time: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rlimit {
    pub(crate) max_pid: Option<u64>,
    pub(crate) cur_proc: Option<u64>,
    pub(crate) time: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodStats {
    pub(crate) memory_working_set: Option<u64>,
    pub(crate) process_count: Option<u64>,
    pub(crate) ephemeral_storage_used: Option<u64>,
    pub(crate) containers: Vec<ContainerStats>,
    pub(crate) volumes: Vec<VolumeStats>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerStats {
    pub(crate) name: String,
    pub(crate) memory_working_set: Option<u64>,
    pub(crate) rootfs_used: Option<u64>,
    pub(crate) rootfs_inodes_used: Option<u64>,
    pub(crate) logs_used: Option<u64>,
    pub(crate) logs_inodes_used: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeStats {
    pub(crate) name: String,
    pub(crate) used: Option<u64>,
    pub(crate) inodes_used: Option<u64>,
}
