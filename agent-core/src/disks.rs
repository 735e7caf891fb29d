//! What the kubelet asks of the disks once, and what follows from the answer (S-23 to S-26, T-14, L-17).

use std::fmt;

use crate::{FsLayout, Semantics, Signal};

/// Something the node holds needlessly and can give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ReclaimStep {
    /// Dead containers, sandboxes and their logs (L-23).
    DeadContainers,
    /// Images no container uses (L-24).
    UnusedImages,
}

/// The answers of the disks; an error is the text of what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskInfo {
    /// Images lie on another filesystem than the kubelet's files (S-23).
    pub dedicated_imagefs: Result<bool, String>,
    /// Writable layers lie on another filesystem than images (S-24). An error counts as "no".
    pub dedicated_containerfs: Result<bool, String>,
}

/// What a runtime says of one of its filesystems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeFs {
    /// Free bytes.
    pub available: u64,
    /// All bytes.
    pub capacity: u64,
    /// Used inodes.
    pub inodes_used: u64,
    /// Free inodes.
    pub inodes_free: u64,
    /// All inodes.
    pub inodes: u64,
}

/// S-23: images lie apart from the kubelet's files when their device is another one, or when the
/// runtime's two filesystems differ in a number. One that the runtime says nothing of differs from the
/// other for the kubelet; strict semantics do not conclude anything from silence (E-56).
pub fn has_dedicated_imagefs(
    same_device: bool,
    images: Option<RuntimeFs>,
    containers: Option<RuntimeFs>,
    semantics: Semantics,
) -> bool {
    match (images, containers) {
        _ if !same_device => true,
        (Some(images), Some(containers)) => images != containers,
        (None, _) | (_, None) => semantics == Semantics::Kubelet,
    }
}

/// Why an evaluation in kubelet semantics ends before it looks at anything (L-3b).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// It is asked again at the next evaluation.
    #[error("eviction manager: failed to get HasDedicatedImageFs: {0}")]
    Unknown(String),
    /// From then on nothing is ranked and nothing reclaimed (E-14).
    #[error("KubeletSeparateDiskGC is turned off but we still have a split filesystem")]
    SplitWithoutGate,
}

/// Where a containerfs threshold is copied from (T-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    Nodefs,
    Imagefs,
}

/// The answers, once given; never asked for again (S-25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disks {
    dedicated_imagefs: bool,
    split: bool,
    /// There are tables of what to rank by and what to reclaim; not after
    /// [`LayoutError::SplitWithoutGate`] (E-14).
    pub(crate) has_tables: bool,
}

impl Disks {
    pub(crate) const fn new(dedicated_imagefs: bool, split: bool, has_tables: bool) -> Self {
        Self { dedicated_imagefs, split, has_tables }
    }

    /// By what they rank and reclaim; a split without a dedicated imagefs counts as single (S-25).
    pub(crate) const fn layout(self) -> FsLayout {
        match (self.dedicated_imagefs, self.split) {
            (false, _) => FsLayout::Single,
            (true, false) => FsLayout::DedicatedImagefs,
            (true, true) => FsLayout::Split,
        }
    }

    /// T-14: where containerfs thresholds come from, if they come from anywhere.
    pub(crate) const fn mirror(self) -> Option<Mirror> {
        match (self.dedicated_imagefs, self.split) {
            _ if !self.has_tables => None,
            (false, false) | (true, true) => Some(Mirror::Nodefs),
            (true, false) => Some(Mirror::Imagefs),
            (false, true) => None,
        }
    }
}

impl From<FsLayout> for Disks {
    fn from(layout: FsLayout) -> Self {
        match layout {
            FsLayout::Single => Self::new(false, false, true),
            FsLayout::DedicatedImagefs => Self::new(true, false, true),
            FsLayout::Split => Self::new(true, true, true),
        }
    }
}

/// The table of L-17: what to free for `signal` before a pod is evicted for it.
pub(crate) const fn reclaim_steps(layout: FsLayout, signal: Signal) -> &'static [ReclaimStep] {
    use ReclaimStep::{DeadContainers, UnusedImages};
    use Signal::{
        AllocatableMemoryAvailable, ContainerfsAvailable, ContainerfsInodesFree, ImagefsAvailable,
        ImagefsInodesFree, LogfsAvailable, LogfsInodesFree, MemoryAvailable, NodefsAvailable,
        NodefsInodesFree, PidAvailable,
    };
    match (layout, signal) {
        (_, MemoryAvailable | AllocatableMemoryAvailable | PidAvailable)
        | (FsLayout::DedicatedImagefs, NodefsAvailable | NodefsInodesFree) => &[],
        (FsLayout::Split, ImagefsAvailable | ImagefsInodesFree) => &[UnusedImages],
        // With a dead container go its logs (L-23).
        (_, LogfsAvailable | LogfsInodesFree) => &[DeadContainers],
        (
            FsLayout::Split,
            NodefsAvailable | NodefsInodesFree | ContainerfsAvailable | ContainerfsInodesFree,
        ) => &[DeadContainers],
        (FsLayout::Single | FsLayout::DedicatedImagefs, _) => &[DeadContainers, UnusedImages],
    }
}

impl fmt::Display for ReclaimStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadContainers => "dead containers",
            Self::UnusedImages => "unused images",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of S-25.
    #[test]
    fn the_answers_make_four_layouts() {
        let cases = [
            ("single", false, false, FsLayout::Single, Some(Mirror::Nodefs)),
            ("dedicated", true, false, FsLayout::DedicatedImagefs, Some(Mirror::Imagefs)),
            ("split", true, true, FsLayout::Split, Some(Mirror::Nodefs)),
            ("inconsistent", false, true, FsLayout::Single, None),
        ];
        for (name, dedicated, split, layout, mirror) in cases {
            let disks = Disks::new(dedicated, split, true);
            assert_eq!((disks.layout(), disks.mirror()), (layout, mirror), "{name}");
        }
    }
}
