//! Signals from the node's statistics, as the kubelet derives them (S-4 to S-9).

use crate::{MonoTime, NodeSignals, Signal, SignalObservation, stats::as_signed};

/// Memory of the node or of the pods cgroup, in bytes; `None` is "not reported".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// What is left under the limit; may have wrapped below zero (S-9).
    pub available: Option<u64>,
    /// What is in use (S-11).
    pub working_set: Option<u64>,
    /// When it was sampled.
    pub at: Option<MonoTime>,
}

/// A filesystem; `None` is "not reported".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilesystemStats {
    /// Free bytes.
    pub available: Option<u64>,
    /// All bytes.
    pub capacity: Option<u64>,
    /// Free inodes.
    pub inodes_free: Option<u64>,
    /// All inodes.
    pub inodes: Option<u64>,
    /// When it was sampled.
    pub at: Option<MonoTime>,
}

/// The task table; `None` is "not reported".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskStats {
    /// How many there may be.
    pub max: Option<u64>,
    /// How many there are.
    pub running: Option<u64>,
    /// When it was sampled.
    pub at: Option<MonoTime>,
}

/// The node's statistics as the kubelet's summary gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// The node's memory (S-4).
    pub memory: MemoryStats,
    /// The system container `pods` (S-5).
    pub pods_cgroup: MemoryStats,
    /// The filesystem of the kubelet's files (S-6).
    pub nodefs: FilesystemStats,
    /// The filesystem of images (S-7).
    pub imagefs: FilesystemStats,
    /// The filesystem of writable layers (S-7).
    pub containerfs: FilesystemStats,
    /// The task table (S-8).
    pub tasks: TaskStats,
}

impl NodeStats {
    /// The signals; one whose inputs are not complete is absent (S-3). Numbers are taken for signed
    /// (S-9).
    pub fn signals(&self) -> NodeSignals {
        let mut signals = NodeSignals::default();
        signals.set(Signal::MemoryAvailable, self.memory.signal());
        signals.set(Signal::AllocatableMemoryAvailable, self.pods_cgroup.signal());
        signals.set(Signal::NodefsAvailable, self.nodefs.bytes());
        signals.set(Signal::NodefsInodesFree, self.nodefs.inodes());
        signals.set(Signal::ImagefsAvailable, self.imagefs.bytes());
        signals.set(Signal::ImagefsInodesFree, self.imagefs.inodes());
        signals.set(Signal::ContainerfsAvailable, self.containerfs.bytes());
        signals.set(Signal::ContainerfsInodesFree, self.containerfs.inodes());
        signals.set(Signal::PidAvailable, self.tasks.signal());
        signals
    }
}

impl MemoryStats {
    /// S-4: the capacity is what is left and what is used together.
    fn signal(self) -> Option<SignalObservation> {
        let available = self.available?;
        let capacity = available.wrapping_add(self.working_set?);
        Some(observed(available, capacity, self.at))
    }
}

impl FilesystemStats {
    fn bytes(self) -> Option<SignalObservation> {
        Some(observed(self.available?, self.capacity?, self.at))
    }

    fn inodes(self) -> Option<SignalObservation> {
        Some(observed(self.inodes_free?, self.inodes?, self.at))
    }
}

impl TaskStats {
    /// S-8: more tasks than there may be leave less than none.
    fn signal(self) -> Option<SignalObservation> {
        let (max, running) = (as_signed(self.max?), as_signed(self.running?));
        Some(SignalObservation { available: max.wrapping_sub(running), capacity: max, at: self.at })
    }
}

const fn observed(available: u64, capacity: u64, at: Option<MonoTime>) -> SignalObservation {
    SignalObservation { available: as_signed(available), capacity: as_signed(capacity), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seen: Option<SignalObservation>) -> Option<(i64, i64)> {
        seen.map(|seen| (seen.available, seen.capacity))
    }

    #[test]
    fn an_incomplete_signal_is_absent() {
        let whole = NodeStats {
            memory: MemoryStats { available: Some(3), working_set: Some(4), at: None },
            pods_cgroup: MemoryStats { available: Some(3), ..MemoryStats::default() },
            nodefs: FilesystemStats {
                available: Some(1),
                capacity: Some(9),
                inodes: Some(5),
                ..FilesystemStats::default()
            },
            tasks: TaskStats { max: Some(10), running: Some(12), at: None },
            ..NodeStats::default()
        };
        let signals = whole.signals();
        let cases = [
            ("S-4", Signal::MemoryAvailable, Some((3, 7))),
            ("S-5", Signal::AllocatableMemoryAvailable, None),
            ("S-6 bytes", Signal::NodefsAvailable, Some((1, 9))),
            ("S-6 inodes", Signal::NodefsInodesFree, None),
            ("S-7", Signal::ImagefsAvailable, None),
            ("S-8", Signal::PidAvailable, Some((-2, 10))),
        ];
        for (name, signal, expected) in cases {
            assert_eq!(pair(signals.get(signal)), expected, "{name}");
        }
    }

    #[test]
    fn more_used_than_allowed_is_less_than_nothing() {
        let available = Some(5_u64.wrapping_sub(8));
        let memory = MemoryStats { available, working_set: Some(8), at: None };
        let signals = NodeStats { memory, ..NodeStats::default() }.signals();
        assert_eq!(pair(signals.get(Signal::MemoryAvailable)), Some((-3, 5)), "S-9");
    }
}
