//! What one pod uses.

use evictd_core::{PodObservation, PodUsage, Resource, Semantics, Signal};

use super::{CgroupMemory, CgroupPids};
use crate::pods::{CgroupDirs, Pod, PodIndex, procs};

/// The open counters of one pod cgroup. A controller that is missing stays unknown.
#[derive(Debug, Default)]
pub struct PodCounters {
    memory: Option<CgroupMemory>,
    pids: Option<CgroupPids>,
}

impl PodCounters {
    /// Opens what there is.
    pub fn open(dirs: &CgroupDirs) -> Self {
        Self { memory: CgroupMemory::open(dirs).ok(), pids: CgroupPids::open(dirs).ok() }
    }

    /// Working set in bytes (S-11).
    pub fn memory_working_set(&self) -> Option<u64> {
        self.memory.as_ref()?.working_set()
    }

    /// Tasks.
    pub fn tasks(&self) -> Option<u64> {
        self.pids.as_ref()?.tasks()
    }
}

/// Which figures of pods are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodFigures {
    /// Those that ranking for a signal needs.
    For(Signal),
    /// All.
    All,
}

impl PodFigures {
    const fn memory(self) -> bool {
        match self {
            Self::For(signal) => matches!(signal.resource(), Resource::Memory),
            Self::All => true,
        }
    }

    /// Whether disk usage is among them.
    pub const fn disk(self) -> bool {
        match self {
            Self::For(signal) => {
                matches!(signal.resource(), Resource::EphemeralStorage | Resource::Inodes)
            }
            Self::All => true,
        }
    }

    /// Whether inodes have to be those of this moment: a signal of theirs is what is ranked for.
    pub const fn inodes(self) -> bool {
        match self {
            Self::For(signal) => matches!(signal.resource(), Resource::Inodes),
            Self::All => false,
        }
    }

    const fn pids(self) -> bool {
        match self {
            Self::For(signal) => matches!(signal.resource(), Resource::Pids),
            Self::All => true,
        }
    }
}

/// The usage of `pod` that is wanted and its cgroup tells; disk usage is left unknown. Tasks are one
/// small read and always told.
fn pod_usage(pod: &Pod, wanted: PodFigures, semantics: Semantics) -> PodUsage {
    let counters = pod.counters();
    let memory = wanted.memory();
    let tasks = match semantics {
        // E-54: the kubelet counts processes.
        Semantics::Kubelet if wanted.pids() => pod.cgroup().and_then(procs::count),
        Semantics::Kubelet | Semantics::Strict => pod_tasks(pod),
    };
    PodUsage {
        memory_working_set: counters.filter(|_| memory).and_then(PodCounters::memory_working_set),
        tasks,
        ..PodUsage::default()
    }
}

/// Tasks of the pod.
fn pod_tasks(pod: &Pod) -> Option<u64> {
    pod.counters().and_then(PodCounters::tasks)
}

/// The same, but dead ones that nobody has reaped do not count where there are no others: what such a
/// pod holds on disk is not freed by killing it again.
pub fn living_tasks(pod: &Pod) -> Option<u64> {
    match pod.cgroup().and_then(procs::count) {
        Some(0) => Some(0),
        Some(_) | None => pod_tasks(pod),
    }
}

/// Replaces `out` by every pod of the index, with the usage that is wanted and cgroups tell.
pub fn observe_pods(
    index: &PodIndex,
    wanted: PodFigures,
    semantics: Semantics,
    out: &mut Vec<PodObservation>,
) {
    out.clear();
    out.extend(index.iter().map(|pod| PodObservation {
        facts: pod.facts().clone(),
        usage: pod_usage(pod, wanted, semantics),
        stats: None,
    }));
}
