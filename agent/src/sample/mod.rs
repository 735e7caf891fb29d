//! Samplers: node signals and per-pod usage, read from the kernel. Unknown is `None`, never zero.

mod counter_file;
mod disk;
mod fs;
mod memory;
mod mounts;
mod node;
mod pids;
mod pod;

pub use counter_file::CounterFile;
pub(crate) use counter_file::keyed;
pub use disk::{DiskLimits, DiskWalk};
pub use fs::{Filesystem, FilesystemSample};
pub use memory::{CgroupMemory, NodeMemory};
pub use mounts::{CgroupKind, CgroupMounts, MountsError};
pub use node::{NodeSampler, NodeSources, SourceError};
pub use pids::{CgroupPids, NodePids};
pub use pod::{PodCounters, observe_pods};
