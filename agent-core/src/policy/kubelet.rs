//! What is decided by beside thresholds and periods.

/// Whether the node frees what it holds needlessly before a pod is evicted for a disk (L-17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum NodeReclaim {
    /// There is nothing that could do it. Kubelet semantics ask for it all the same.
    #[default]
    Never,
    /// Dead containers and unused images go first.
    First,
}

/// What the kubelet decides by beside thresholds; no part of strict semantics except
/// `local_storage_isolation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KubeletOptions {
    /// `localStorageCapacityIsolation`: limits of local storage are enforced (L-13).
    pub local_storage_isolation: bool,
    /// The feature gate `KubeletSeparateDiskGC`: split filesystems are known (L-3b, E-14).
    pub separate_disk_gc: bool,
    /// The feature gate `PodLevelResources`: with `spec.resources` containers' requests do not count
    /// and messages name the pod (O-3).
    pub pod_level_resources: bool,
    /// `evictionMaxPodGracePeriod` where it is negative: taken over as it is (K-2, E-6).
    pub negative_max_pod_grace_seconds: Option<i64>,
}

impl Default for KubeletOptions {
    fn default() -> Self {
        Self {
            local_storage_isolation: true,
            separate_disk_gc: true,
            pod_level_resources: true,
            negative_max_pod_grace_seconds: None,
        }
    }
}
