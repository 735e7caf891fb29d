//! Pods: what their objects say, where they live on this machine, and both joined in [`PodIndex`].

mod cgroup;
mod index;
mod layout;
mod manifest;
mod qos;
mod record;
mod requests;

pub(crate) use cgroup::for_each_dir;
pub use cgroup::{CgroupDirs, CgroupTree, CgroupTreeError, ContainerCgroup, PodCgroup};
pub use index::{LogDir, Pod, PodIndex, PodSource};
pub use layout::NodeLayout;
pub use manifest::{ManifestDirectory, parse_manifest};
pub use record::{PodRecord, RecordError};
pub use requests::Requests;
