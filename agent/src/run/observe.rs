//! Collecting one observation: the node's signals, and the pods' usage where it is wanted.

use evictd_core::{Evaluator, MonoTime, NodeSignals, Observation};
use tracing::warn;

use super::{
    disk_usage::DiskUsages, kernel::Kernel, log_writers::LogWriters, record::PodName,
    watch::kernel_dev_of,
};
use crate::{
    config::Protect,
    pods::PodIndex,
    probe::Family,
    sample::{NodeSampler, PodFigures, observe_pods},
};

/// The node and its pods, as they are seen.
pub struct Observer {
    sampler: NodeSampler,
    index: PodIndex,
    disks: DiskUsages,
    log_writers: LogWriters,
    /// All figures of pods are read at every look, wanted or not.
    reads_all: bool,
    observation: Observation,
}

impl Observer {
    /// Looks through these.
    pub fn new(sampler: NodeSampler, index: PodIndex) -> Self {
        let disks = DiskUsages::new(kernel_dev_of(sampler.nodefs().dev()));
        let (log_writers, observation) = (LogWriters::default(), Observation::default());
        Self { sampler, index, disks, log_writers, reads_all: false, observation }
    }

    /// The same, reading all figures of pods at every look.
    #[must_use]
    pub fn reading_all(self) -> Self {
        Self { reads_all: true, ..self }
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

    /// The reading of logs.
    pub const fn log_writers(&self) -> &LogWriters {
        &self.log_writers
    }

    /// Looks now. Pods are read only if the evaluator wants them.
    pub fn look(&mut self, evaluator: &Evaluator, kernel: Option<&Kernel>, now: MonoTime) {
        let signals: NodeSignals = self.sampler.signals(now);
        self.observation.signals = signals;
        self.observation.usage_for = evaluator.usage_wanted(&signals, now);
        self.log_writers.read(
            evaluator.policy(),
            (&self.index, self.sampler.nodefs().dev()),
            kernel,
            self.observation.usage_for.is_some(),
            now,
            &mut self.observation.log_writes,
        );
        let figures = match self.observation.usage_for {
            _ if self.reads_all => PodFigures::All,
            Some(wanted) => PodFigures::For(wanted),
            None => return,
        };
        // Otherwise a container that started since the last tick would go unseen.
        if !kernel.is_some_and(|kernel| kernel.stands(Family::CgroupLife)) {
            self.index.refresh();
        }
        observe_pods(&self.index, figures, &mut self.observation.pods);
        if figures.disk() {
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
