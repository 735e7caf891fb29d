//! What the evaluator knows of a pod.

use std::sync::Arc;

use crate::{PodSpec, PodStats};

/// The identity of a pod on this node. A kill is addressed by both halves: if either differs at the
/// moment of the kill, it is not done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodRef {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Inode of the pod's cgroup directory (on cgroup v2: the cgroup id); 0 while it has none.
    pub cgroup_inode: u64,
}

/// Quality of service class. Never used for ranking; admission and people ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Qos {
    /// No requests and no limits.
    BestEffort,
    /// Some requests or limits.
    Burstable,
    /// Requests equal limits for cpu and memory in every container.
    Guaranteed,
}

/// What a pod's manifest says, as far as eviction cares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodFacts {
    /// Identity.
    pub id: PodRef,
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `spec.priority`; absent is 0.
    pub priority: i32,
    /// Static or mirror pod: never evicted (K-7).
    pub is_static: bool,
    /// Matched by the configuration's `protect`, or evictd itself: never evicted.
    pub protected: bool,
    /// Quality of service class.
    pub qos: Qos,
    /// Request of memory in bytes, aggregated as R-5 says.
    pub memory_request: u64,
    /// Request of ephemeral-storage in bytes, aggregated as R-5 says.
    pub ephemeral_storage_request: u64,
    /// `spec.terminationGracePeriodSeconds`.
    pub termination_grace_seconds: Option<u64>,
    /// The manifest in detail. Without it kubelet semantics go by the requests above, know no limits
    /// of local storage and name no containers.
    pub spec: Option<Arc<PodSpec>>,
}

impl PodFacts {
    /// Priorities from here up are the system's own.
    const SYSTEM_CRITICAL: i32 = 2_000_000_000;

    /// K-7: never evicted, and admitted whatever the node's conditions.
    pub const fn is_critical(&self) -> bool {
        self.is_static || self.priority >= Self::SYSTEM_CRITICAL
    }
}

/// Bytes and inodes in one place on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DiskUsage {
    /// Allocated bytes (`st_blocks` × 512).
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// What a pod uses now. `None` is "unknown", never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodUsage {
    /// Working set of the pod cgroup in bytes (S-11, S-19).
    pub memory_working_set: Option<u64>,
    /// What the node counts of the pod: tasks (threads). In kubelet semantics processes, which is what
    /// the kubelet ranks by (E-54). Zero only when the pod is empty.
    pub tasks: Option<u64>,
    /// Container logs that lie with the kubelet's files.
    pub logs: Option<DiskUsage>,
    /// Container logs that lie on a filesystem of their own, in strict semantics (E-46).
    pub separate_logs: Option<DiskUsage>,
    /// Writable layers.
    pub rootfs: Option<DiskUsage>,
    /// Local volumes as R-9 defines them.
    pub local_volumes: Option<DiskUsage>,
}

/// A pod and its usage at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodObservation {
    /// What its manifest says; shared, so that building an observation copies nothing.
    pub facts: Arc<PodFacts>,
    /// What it uses.
    pub usage: PodUsage,
    /// What the kubelet's summary says of it; `None` when that has no entry for the pod, or there is
    /// no summary ([`crate::Summary`]).
    pub stats: Option<Arc<PodStats>>,
}
