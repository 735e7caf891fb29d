//! The pods as a reading needs them: a copy that another thread may keep.

use std::sync::Arc;

use evictd_core::PodFacts;

use super::PodDisk;
use crate::pods::{LogDir, Pod, PodIndex};

/// One pod.
#[derive(Clone, Debug)]
pub struct PodView {
    /// What it is.
    pub facts: Arc<PodFacts>,
    /// Ids and names of its containers' cgroups.
    pub containers: Vec<(u64, String)>,
    /// Its containers' log directories.
    pub logs: Vec<LogDir>,
    /// What it holds on disk, if somebody ranks it.
    pub disk: Option<PodDisk>,
}

impl PodView {
    /// Every pod of the index.
    pub fn all(index: &PodIndex) -> Vec<Self> {
        index.iter().map(Self::of).collect()
    }

    /// Every pod of the index, with what it holds on disk.
    pub fn all_with(index: &PodIndex, disk: impl Fn(&Pod) -> PodDisk) -> Vec<Self> {
        index.iter().map(|pod| Self { disk: Some(disk(pod)), ..Self::of(pod) }).collect()
    }

    fn of(pod: &Pod) -> Self {
        let cgroups = pod.cgroup().map_or(&[][..], |cgroup| cgroup.containers());
        let named = cgroups.iter().map(|cgroup| {
            let name = pod.container_name(cgroup.inode).unwrap_or_else(|| cgroup.id());
            (cgroup.inode, name.to_owned())
        });
        Self {
            facts: pod.facts().clone(),
            containers: named.collect(),
            logs: pod.logs().to_vec(),
            disk: None,
        }
    }
}
