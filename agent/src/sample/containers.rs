//! Memory of the containers of one pod.

use std::sync::Arc;

use evictd_core::{ContainerStats, FsStats};

use super::CgroupMemory;
use crate::pods::{Pod, PodCgroup};

/// Containers looked at; a pod rarely has a handful.
const MOST: usize = 32;

/// Working sets of a pod's containers in bytes, in the order of its cgroups. Reading them allocates
/// nothing, so that it can be done on the way to a kill, after which they are gone.
#[derive(Clone, Copy, Debug)]
pub struct ContainersMemory([Option<u64>; MOST]);

impl ContainersMemory {
    /// Reads them now.
    pub fn read(pod: &Pod) -> Self {
        let mut read = Self([None; MOST]);
        if let Some(cgroup) = pod.cgroup() {
            for (working_set, container) in read.0.iter_mut().zip(cgroup.containers()) {
                let memory = CgroupMemory::open_below(cgroup.dirs(), &container.directory);
                *working_set = memory.ok().and_then(|memory| memory.working_set());
            }
        }
        read
    }

    /// As statistics, in the order of the manifest; containers that it does not name come last.
    pub fn stats(&self, pod: &Pod) -> Vec<ContainerStats> {
        let cgroups = pod.cgroup().into_iter().flat_map(PodCgroup::containers);
        let stats = cgroups.zip(self.0).map(|(container, memory_working_set)| {
            let name: Arc<str> = pod.container_name(container.inode).unwrap_or_default().into();
            let (rootfs, logs) = (FsStats::default(), FsStats::default());
            ContainerStats { name, memory_working_set, rootfs, logs }
        });
        let mut stats: Vec<_> = stats.collect();
        let place = |name: &str| pod.record().spec.place_of(name).unwrap_or(usize::MAX);
        stats.sort_by_key(|container| place(&container.name));
        stats
    }
}
