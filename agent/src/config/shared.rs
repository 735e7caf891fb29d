//! The fields that evictd's own file and a KubeletConfiguration have in common, as written: names and
//! meaning are the kubelet's.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// Signal to value; null is kept, for it removes an entry in a drop-in.
pub(super) type WrittenMap = BTreeMap<String, Option<String>>;

/// The fields, none of them checked but for its type.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenShared {
    pub(super) eviction_hard: Option<WrittenMap>,
    pub(super) eviction_soft: Option<WrittenMap>,
    pub(super) eviction_soft_grace_period: Option<WrittenMap>,
    pub(super) eviction_minimum_reclaim: Option<WrittenMap>,
    pub(super) merge_default_eviction_settings: Option<bool>,
    pub(super) eviction_pressure_transition_period: Option<String>,
    pub(super) eviction_max_pod_grace_period: Option<i32>,
    pub(super) enforce_node_allocatable: Option<Vec<String>>,
    pub(super) local_storage_capacity_isolation: Option<bool>,
    pub(super) feature_gates: Option<BTreeMap<String, bool>>,
    pub(super) kernel_memcg_notification: Option<bool>,
    pub(super) pod_logs_dir: Option<PathBuf>,
    pub(super) cgroup_root: Option<PathBuf>,
    pub(super) max_pods: Option<i32>,
    pub(super) container_runtime_endpoint: Option<String>,
    #[serde(rename = "imageMinimumGCAge")]
    pub(super) image_minimum_gc_age: Option<String>,
}

impl WrittenShared {
    /// The names of the fields.
    pub(super) const NAMES: &[&str] = &[
        "evictionHard",
        "evictionSoft",
        "evictionSoftGracePeriod",
        "evictionMinimumReclaim",
        "mergeDefaultEvictionSettings",
        "evictionPressureTransitionPeriod",
        "evictionMaxPodGracePeriod",
        "enforceNodeAllocatable",
        "localStorageCapacityIsolation",
        "featureGates",
        "kernelMemcgNotification",
        "podLogsDir",
        "cgroupRoot",
        "maxPods",
        "containerRuntimeEndpoint",
        "imageMinimumGCAge",
    ];
}
