//! What pods hold on disk, as a running evictd ranks them.

use serde::{Deserialize, Serialize};

/// What is added to what a pod's directories held when they were walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// Blocks taken less blocks given back.
    Space,
    /// Bytes written; pods that wrote are walked again.
    Written,
}

/// What one pod holds on disk, and by what that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodDisk {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID.
    pub uid: String,
    /// Bytes of its logs; `null` is unknown.
    pub logs: Option<u64>,
    /// Bytes of its volumes and of deleted files that its processes hold open; `null` is unknown.
    pub volumes: Option<u64>,
    /// What is added to the last walk.
    pub by: UsageBy,
    /// Why that is not blocks, where it is not.
    pub reason: Option<String>,
    /// How often it was walked so far, decisions apart.
    pub walks: u64,
}
