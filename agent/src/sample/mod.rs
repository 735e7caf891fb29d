//! Samplers: node signals and per-pod usage, read from the kernel. Unknown is `None`, never zero.

mod containers;
mod counter_file;
mod disk;
mod fs;
mod memory;
mod memory_events;
mod mounts;
mod node;
mod node_memory;
mod pids;
mod pod;
mod superblock;

pub use containers::ContainersMemory;
pub use counter_file::CounterFile;
pub use disk::{DiskLimits, DiskWalk, Found, Walk};
pub use fs::{Filesystem, FilesystemSample};
pub use memory::CgroupMemory;
pub use memory_events::{MemoryEventFiles, MemoryEventKind, MemoryEvents};
pub use mounts::{CgroupKind, CgroupMounts, MountsError};
pub use node::{NodeSampler, NodeSources, SourceError};
pub use node_memory::NodeMemory;
pub use pids::{CgroupPids, NodePids};
pub use pod::{PodCounters, PodFigures, living_tasks, observe_pods};
