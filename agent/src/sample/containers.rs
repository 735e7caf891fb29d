//! Memory of the containers of one pod.

use std::sync::Arc;

use evictd_core::{ContainerStats, FsStats};

use super::CgroupMemory;
use crate::pods::{Pod, PodCgroup};

/// Containers looked at; a pod rarely has a handful.
const MOST: usize = 32;

/// What the containers of a pod used, in the order of its cgroups. Taking it allocates nothing and costs
/// one small read each, so that it can be done on the way to a kill, after which the numbers are gone;
/// the rest is read when it is asked for.
#[derive(Debug)]
pub struct ContainersMemory([Option<Taken>; MOST]);

#[derive(Debug)]
struct Taken {
    memory: CgroupMemory,
    usage: u64,
}

impl ContainersMemory {
    /// Takes it now.
    pub fn take(pod: &Pod) -> Self {
        let mut taken = Self([const { None }; MOST]);
        if let Some(cgroup) = pod.cgroup() {
            for (taken, container) in taken.0.iter_mut().zip(cgroup.containers()) {
                let memory = CgroupMemory::open_below(cgroup.dirs(), &container.directory).ok();
                *taken = memory.and_then(|memory| Some(Taken { usage: memory.usage()?, memory }));
            }
        }
        taken
    }

    /// As statistics, in the order of the manifest; containers that it does not name come last.
    pub fn stats(&self, pod: &Pod) -> Vec<ContainerStats> {
        let cgroups = pod.cgroup().into_iter().flat_map(PodCgroup::containers);
        let stats = cgroups.zip(&self.0).map(|(container, taken)| {
            let name: Arc<str> = pod.container_name(container.inode).unwrap_or_default().into();
            let working_set = |taken: &Taken| taken.memory.working_set_of(taken.usage);
            let memory_working_set = taken.as_ref().and_then(working_set);
            let (rootfs, logs) = (FsStats::default(), FsStats::default());
            ContainerStats { name, memory_working_set, rootfs, logs }
        });
        let mut stats: Vec<_> = stats.collect();
        let place = |name: &str| pod.record().spec.place_of(name).unwrap_or(usize::MAX);
        stats.sort_by_key(|container| place(&container.name));
        stats
    }
}
