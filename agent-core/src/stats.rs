//! A pod's statistics as the kubelet's summary gives them (S-19).

use std::sync::Arc;

/// What a place on disk holds; `None` is "not reported".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FsStats {
    /// Bytes used.
    pub used: Option<u64>,
    /// Inodes used.
    pub inodes_used: Option<u64>,
}

/// Statistics of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContainerStats {
    /// Its name.
    pub name: Arc<str>,
    /// Working set in bytes.
    pub memory_working_set: Option<u64>,
    /// Its writable layer.
    pub rootfs: FsStats,
    /// Its logs.
    pub logs: FsStats,
}

/// Statistics of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VolumeStats {
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub fs: FsStats,
}

/// Statistics of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodStats {
    /// Working set of the pod in bytes.
    pub memory_working_set: Option<u64>,
    /// Processes.
    pub process_count: Option<u64>,
    /// Everything the pod holds on local disks, in bytes.
    pub ephemeral_storage_used: Option<u64>,
    /// Its containers, in the order of the summary.
    pub containers: Vec<ContainerStats>,
    /// Its volumes.
    pub volumes: Vec<VolumeStats>,
}

/// S-9: the kubelet takes unsigned numbers for signed ones.
pub(crate) const fn as_signed(n: u64) -> i64 {
    n.cast_signed()
}

/// what is not reported counts as nothing.
pub(crate) fn or_nothing(n: Option<u64>) -> i64 {
    as_signed(n.unwrap_or(0))
}
