//! Which filesystem holds what (S-23 to S-25, R-8).

use crate::{DiskUsage, PodUsage, Resource, Signal};

/// Where images and writable layers live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum FsLayout {
    /// One filesystem for everything.
    #[default]
    Single,
    /// Images and writable layers on a filesystem of their own.
    DedicatedImagefs,
    /// Images on a filesystem of their own, writable layers with the kubelet's files.
    Split,
}

/// The parts of a pod's disk usage that a filesystem signal counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) rootfs: bool,
    pub(crate) logs_and_volumes: bool,
    /// Logs on a filesystem of their own (E-46).
    pub(crate) separate_logs: bool,
}

impl Parts {
    const LOGFS: Self = Self { rootfs: false, logs_and_volumes: false, separate_logs: true };

    const fn of(rootfs: bool, logs_and_volumes: bool) -> Self {
        Self { rootfs, logs_and_volumes, separate_logs: false }
    }

    /// Pods hold something there.
    pub(crate) const fn any(self) -> bool {
        self.rootfs || self.logs_and_volumes || self.separate_logs
    }
}

impl FsLayout {
    /// What of a pod's disk usage lies on the filesystem of `signal`; `None` when no part that
    /// counts is known. A part that is unknown beside known ones counts nothing: the sum is then a
    /// lower bound.
    pub fn disk_usage(self, signal: Signal, usage: &PodUsage) -> Option<DiskUsage> {
        let parts = self.parts(signal);
        if !parts.any() {
            return Some(DiskUsage::default());
        }
        let counted = [
            usage.rootfs.filter(|_| parts.rootfs),
            usage.logs.filter(|_| parts.logs_and_volumes),
            usage.local_volumes.filter(|_| parts.logs_and_volumes),
            usage.separate_logs.filter(|_| parts.separate_logs),
        ];
        counted.into_iter().flatten().reduce(|sum, part| DiskUsage {
            bytes: sum.bytes.saturating_add(part.bytes),
            inodes: sum.inodes.saturating_add(part.inodes),
        })
    }

    /// True when what is given back on `a` shows on `b` as well: the same resource of the same
    /// memory, task table or disk.
    pub(crate) fn shares(self, a: Signal, b: Signal) -> bool {
        if a.resource() != b.resource() {
            return false;
        }
        match a.resource() {
            Resource::Memory | Resource::Pids => true,
            Resource::EphemeralStorage | Resource::Inodes => {
                let same_logs = holds_logs_alone(a) == holds_logs_alone(b);
                same_logs && self.holds_nodefs(a) == self.holds_nodefs(b)
            }
        }
    }

    ///
    pub(crate) fn parts(self, signal: Signal) -> Parts {
        if holds_logs_alone(signal) {
            return Parts::LOGFS;
        }
        let images = matches!(signal, Signal::ImagefsAvailable | Signal::ImagefsInodesFree);
        match self {
            Self::Single => Parts::of(true, true),
            Self::DedicatedImagefs => {
                let nodefs = self.holds_nodefs(signal);
                Parts::of(!nodefs, nodefs)
            }
            // pods hold nothing on a filesystem of images alone.
            Self::Split => Parts::of(!images, !images),
        }
    }

    /// True when the signal's filesystem is the one that holds the kubelet's files.
    const fn holds_nodefs(self, signal: Signal) -> bool {
        let nodefs = matches!(signal, Signal::NodefsAvailable | Signal::NodefsInodesFree);
        let images = matches!(signal, Signal::ImagefsAvailable | Signal::ImagefsInodesFree);
        match self {
            Self::Single => true,
            Self::DedicatedImagefs => nodefs,
            Self::Split => !images,
        }
    }
}

/// True for the filesystem of logs that lie apart from everything else (E-46).
const fn holds_logs_alone(signal: Signal) -> bool {
    matches!(signal, Signal::LogfsAvailable | Signal::LogfsInodesFree)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of R-8 with logs 1, rootfs 10, volumes 100.
    #[test]
    fn each_layout_counts_what_lies_on_the_filesystem() {
        use FsLayout::{DedicatedImagefs, Single, Split};
        use Signal::{ContainerfsAvailable, ImagefsAvailable, NodefsAvailable, NodefsInodesFree};
        let part = |n| Some(DiskUsage { bytes: n, inodes: n * 2 });
        let usage = PodUsage {
            logs: part(1),
            rootfs: part(10),
            local_volumes: part(100),
            ..PodUsage::default()
        };
        let cases = [
            (Single, NodefsAvailable, 111),
            (Single, ImagefsAvailable, 111),
            (Single, ContainerfsAvailable, 111),
            (DedicatedImagefs, NodefsAvailable, 101),
            (DedicatedImagefs, ImagefsAvailable, 10),
            (DedicatedImagefs, ContainerfsAvailable, 10),
            (Split, NodefsAvailable, 111),
            (Split, NodefsInodesFree, 111),
            (Split, ImagefsAvailable, 0),
            (Split, ContainerfsAvailable, 111),
        ];
        for (layout, signal, bytes) in cases {
            let sum = layout.disk_usage(signal, &usage);
            assert_eq!(sum, Some(DiskUsage { bytes, inodes: bytes * 2 }), "{layout:?} {signal}");
        }
    }

    #[test]
    fn unknown_parts_leave_a_lower_bound_and_no_part_is_unknown() {
        let known = Some(DiskUsage { bytes: 7, inodes: 1 });
        let logs_only = PodUsage { logs: known, ..PodUsage::default() };
        let layout = FsLayout::Single;
        assert_eq!(layout.disk_usage(Signal::NodefsAvailable, &logs_only), known);
        assert_eq!(layout.disk_usage(Signal::NodefsAvailable, &PodUsage::default()), None);
        let dedicated = FsLayout::DedicatedImagefs;
        assert_eq!(dedicated.disk_usage(Signal::ImagefsAvailable, &logs_only), None);
    }

    #[test]
    fn logs_that_lie_apart_count_there_and_nowhere_else() {
        let part = |n| Some(DiskUsage { bytes: n, inodes: n });
        let usage = PodUsage {
            rootfs: part(10),
            local_volumes: part(100),
            separate_logs: part(1),
            ..PodUsage::default()
        };
        for layout in [FsLayout::Single, FsLayout::DedicatedImagefs, FsLayout::Split] {
            for signal in [Signal::LogfsAvailable, Signal::LogfsInodesFree] {
                assert_eq!(layout.disk_usage(signal, &usage), part(1), "{layout:?} {signal}");
            }
            let nodefs = layout.disk_usage(Signal::NodefsAvailable, &usage);
            let rootfs = if layout == FsLayout::DedicatedImagefs { 0 } else { 10 };
            assert_eq!(nodefs, part(100 + rootfs), "{layout:?}");
            assert!(!layout.shares(Signal::LogfsAvailable, Signal::NodefsAvailable), "{layout:?}");
            assert!(layout.shares(Signal::LogfsAvailable, Signal::LogfsAvailable), "{layout:?}");
        }
    }

    #[test]
    fn a_release_shows_on_every_signal_of_the_same_disk() {
        use Signal::{ContainerfsAvailable, ImagefsAvailable, NodefsAvailable, NodefsInodesFree};
        let cases = [
            (FsLayout::Single, NodefsAvailable, ImagefsAvailable, true),
            (FsLayout::Single, NodefsAvailable, NodefsInodesFree, false),
            (FsLayout::DedicatedImagefs, NodefsAvailable, ImagefsAvailable, false),
            (FsLayout::DedicatedImagefs, ContainerfsAvailable, ImagefsAvailable, true),
            (FsLayout::Split, ContainerfsAvailable, NodefsAvailable, true),
        ];
        for (layout, a, b, shared) in cases {
            assert_eq!(layout.shares(a, b), shared, "{layout:?} {a} {b}");
        }
        let memory = (Signal::MemoryAvailable, Signal::AllocatableMemoryAvailable);
        assert!(FsLayout::Single.shares(memory.0, memory.1));
    }
}
