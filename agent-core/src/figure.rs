//! Which per-pod figure answers for a signal.

use crate::{FsLayout, PodUsage, Resource, Signal};

/// A kind of per-pod figure; the shell reads one kind for an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Memory working set.
    Memory,
    /// Bytes and inodes on disk.
    Disk,
    /// Tasks.
    Tasks,
}

impl Figure {
    /// The figure that ranks pods for `signal`.
    pub(crate) const fn of(signal: Signal) -> Self {
        match signal.resource() {
            Resource::Memory => Self::Memory,
            Resource::EphemeralStorage | Resource::Inodes => Self::Disk,
            Resource::Pids => Self::Tasks,
        }
    }
}

/// What a pod uses of that signal, in the signal's unit (S-19, R-8); `None` is unknown.
pub(crate) fn usage_of(signal: Signal, usage: &PodUsage, layout: FsLayout) -> Option<u64> {
    match signal.resource() {
        Resource::Memory => usage.memory_working_set,
        Resource::EphemeralStorage => layout.disk_usage(signal, usage).map(|d| d.bytes),
        Resource::Inodes => layout.disk_usage(signal, usage).map(|d| d.inodes),
        Resource::Pids => usage.tasks,
    }
}
