//! Pods: what their objects say, where they live on this machine, and both joined in [`PodIndex`].

mod cgroup;
mod index;
mod layout;
mod manifest;
mod qos;
mod record;
mod resources;
mod spec;

pub(crate) use cgroup::for_each_dir;
pub use cgroup::{CgroupDirs, CgroupTree, CgroupTreeError, ContainerCgroup, PodCgroup};
pub use index::{EmptyDir, LogDir, Pod, PodIndex, PodSource};
pub use layout::NodeLayout;
pub use manifest::ManifestDirectory;
pub use record::{PodRecord, RecordError};
