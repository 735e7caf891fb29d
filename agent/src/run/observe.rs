//! Collecting one observation: the node's signals, and the pods' usage where it is wanted.

use evictd_core::{Evaluator, MonoTime, NodeSignals, Observation, Resource};
use tracing::warn;

use super::{disk_usage::DiskUsages, kernel::Kernel, record::PodName, watch::kernel_dev_of};
use crate::{
    config::Protect,
    pods::PodIndex,
    probe::Family,
    sample::{NodeSampler, observe_pods},
};

/// The node and its pods, as they are seen.
pub struct Observer {
    sampler: NodeSampler,
    index: PodIndex,
    disks: DiskUsages,
    observation: Observation,
}

impl Observer {
    /// Looks through these.
    pub fn new(sampler: NodeSampler, index: PodIndex) -> Self {
        let disks = DiskUsages::new(kernel_dev_of(sampler.nodefs().dev()));
        Self { sampler, index, disks, observation: Observation::default() }
    }

    /// The pods.
    pub const fn index(&self) -> &PodIndex {
        &self.index
    }

    /// The samplers.
    pub const fn sampler(&self) -> &NodeSampler {
        &self.sampler
    }

    /// The last observation.
    pub const fn observation(&self) -> &Observation {
        &self.observation
    }

    /// Looks now. Pods are read only if the evaluator wants them.
    pub fn look(&mut self, evaluator: &Evaluator, kernel: Option<&Kernel>, now: MonoTime) {
        let signals: NodeSignals = self.sampler.signals(now);
        self.observation.signals = signals;
        self.observation.usage_for = evaluator.usage_wanted(&signals, now);
        let Some(wanted) = self.observation.usage_for else {
            return;
        };
        // Otherwise a container that started since the last tick would go unseen.
        if !kernel.is_some_and(|kernel| kernel.stands(Family::CgroupLife)) {
            self.index.refresh();
        }
        observe_pods(&self.index, wanted, &mut self.observation.pods);
        if matches!(wanted.resource(), Resource::EphemeralStorage | Resource::Inodes) {
            let usages = self.observation.pods.iter_mut().map(|pod| &mut pod.usage);
            self.disks.fill(&self.index, kernel.and_then(Kernel::write_counters), usages);
        }
    }

    /// Protects what `protect` covers from now on.
    pub fn protect(&mut self, protect: Protect) {
        self.index.protect(protect);
    }

    /// Joins pods, cgroups and directories anew: when cgroups came or went, and on ticks.
    pub fn refresh(&mut self, kernel: Option<&mut Kernel>) {
        let reloaded = self.index.reload_if_changed().unwrap_or_else(|error| {
            warn!("pods stay as they were: {error}");
            false
        });
        let changed = self.index.refresh() || reloaded;
        self.sampler.refresh(self.index.tree());
        if let Some(kernel) = kernel.filter(|_| changed) {
            kernel.follow(&self.index);
        }
    }

    /// Work that decisions are spared of: to be done at start and on ticks.
    pub fn prepare(&mut self, kernel: Option<&Kernel>) {
        self.disks.prepare(&self.index, kernel.and_then(Kernel::write_counters));
    }

    /// The pod that owns a cgroup, and the container if it is a container's.
    pub fn owner_of_cgroup(&self, cgroup_id: u64) -> Option<(PodName, Option<String>)> {
        let pod = self.index.get(self.index.by_cgroup(cgroup_id)?)?;
        let facts = pod.facts();
        let name = PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() };
        Some((name, pod.container_name(cgroup_id).map(str::to_owned)))
    }
}
