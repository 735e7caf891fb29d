//! Pods: what their objects say, where they live on this machine, and both joined in [`PodIndex`].

mod cgroup;
mod essence;
mod index;
mod layout;
mod manifest;
mod pod;
pub(crate) mod procs;
mod qos;
mod record;
mod resources;
mod source;
mod spec;
mod unlisted;

pub(crate) use cgroup::for_each_dir;
pub use cgroup::{CgroupDirs, CgroupTree, CgroupTreeError, ContainerCgroup, PodCgroup};
pub use essence::essence;
pub use index::PodIndex;
pub use layout::{CgroupDriver, NodeLayout};
pub use manifest::{ManifestDirectory, parse_manifest};
pub use pod::{EmptyDir, LogDir, Pod};
pub use record::{PodRecord, RecordError};
pub use source::{ApiPods, PodSource};
