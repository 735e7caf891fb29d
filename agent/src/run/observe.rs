//! Collecting one observation: the node's signals, and the pods' usage where it is wanted.

use std::{io, path::Path};

use evictd_core::{
    Evaluator, MonoTime, NodeSignals, Observation, PodObservation, PodUsage, Semantics, Signal,
    Summary,
};
use tracing::warn;

use super::{
    disk_usage::DiskUsages, kernel::Kernel, log_writers::LogWriters, names::CgroupNames,
    watch::kernel_dev_of,
};
use crate::{
    config::Protect,
    pods::PodIndex,
    sample::{NodeSampler, PodFigures, living_tasks, observe_pods},
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
    names: CgroupNames,
    /// How often the pods' cgroups changed.
    generation: u64,
    /// They changed, and the kernel does not know yet.
    unfollowed: bool,
}

impl Observer {
    /// Looks through these, and has files named in `kernel`.
    pub fn new(sampler: NodeSampler, index: PodIndex, kernel: Option<&mut Kernel>) -> Self {
        let logs_apart = sampler.logfs().is_some();
        let table = kernel.and_then(Kernel::take_file_owners);
        let disks = DiskUsages::new(kernel_dev_of(sampler.nodefs()), logs_apart, table);
        let (log_writers, observation) = (LogWriters::default(), Observation::default());
        let mut names = CgroupNames::default();
        names.note(&index);
        Self {
            sampler,
            index,
            disks,
            log_writers,
            reads_all: false,
            observation,
            names,
            generation: 0,
            unfollowed: true,
        }
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

    /// Takes the pods of an earlier look for those of the last: what was decided then is done now.
    pub fn recall(&mut self, pods: Vec<PodObservation>) {
        self.observation.pods = pods;
    }

    /// See [`NodeSampler::set_images`].
    pub fn set_images(&mut self, images: &Path, containers: &Path) -> io::Result<()> {
        self.sampler.set_images(images, containers)
    }

    /// See [`NodeSampler::notice_mounts`].
    pub fn notice_mounts(&mut self) -> bool {
        self.sampler.notice_mounts()
    }

    /// The last observation.
    pub const fn observation(&self) -> &Observation {
        &self.observation
    }

    /// The reading of logs.
    pub const fn log_writers(&self) -> &LogWriters {
        &self.log_writers
    }

    /// Looks now. Pods are read only if the evaluator wants them; with `limits` it is told also what
    /// those hold that limit their local storage.
    pub fn look(
        &mut self,
        evaluator: &Evaluator,
        kernel: Option<&Kernel>,
        limits: bool,
        now: MonoTime,
    ) {
        let signals: NodeSignals = self.sampler.signals(now);
        let semantics = evaluator.policy().semantics;
        self.observation.signals = signals;
        self.observation.summary = self.summary(semantics);
        self.observation.usage_for = evaluator.usage_wanted(&signals, now);
        let logs = self.sampler.logfs().unwrap_or(self.sampler.nodefs());
        self.log_writers.read(
            evaluator.policy(),
            (&self.index, logs.dev()),
            kernel,
            self.observation.usage_for.is_some(),
            now,
            &mut self.observation.log_writes,
        );
        let figures = match self.observation.usage_for {
            _ if self.reads_all => Some(PodFigures::All),
            wanted => wanted.map(PodFigures::For),
        };
        self.observation.pods.clear();
        if let Some(figures) = figures {
            self.read_pods(figures, semantics, kernel);
        }
        if limits {
            self.read_limited(figures.is_some());
        }
    }

    /// S-21, E-17: the kubelet has everything or nothing. Strict semantics go by what there is.
    fn summary(&self, semantics: Semantics) -> Summary {
        use Signal::{ImagefsAvailable, MemoryAvailable, NodefsAvailable, PidAvailable};
        let is_missing = |signal| self.observation.signals.get(signal).is_none();
        let images = self.sampler.imagefs().map(|_| ImagefsAvailable);
        let mut needed = [MemoryAvailable, NodefsAvailable, PidAvailable].into_iter().chain(images);
        match semantics {
            Semantics::Kubelet if needed.any(is_missing) => Summary::Failed,
            Semantics::Kubelet | Semantics::Strict => Summary::NotTaken,
        }
    }

    fn read_pods(&mut self, figures: PodFigures, semantics: Semantics, kernel: Option<&Kernel>) {
        // Otherwise a container that started since the last tick would go unseen.
        if !kernel.is_some_and(Kernel::tells_cgroups) && self.index.refresh() {
            self.changed();
        }
        observe_pods(&self.index, figures, semantics, &mut self.observation.pods);
        if figures.disk() {
            let usages = self.observation.pods.iter_mut().map(|pod| &mut pod.usage);
            if figures.inodes() {
                self.disks.count_inodes(&self.index);
            }
            self.disks.fill(&self.index, kernel.map(Kernel::disk_counters), usages);
        }
    }

    /// Adds statistics of the pods that limit their local storage, and these pods themselves unless all
    /// pods are `listed`.
    fn read_limited(&mut self, listed: bool) {
        let pods = &mut self.observation.pods;
        if listed {
            for (pod, observed) in self.index.iter().zip(pods) {
                observed.stats = self.disks.limited(pod).cloned();
                if observed.stats.is_some() {
                    observed.usage.tasks = living_tasks(pod);
                }
            }
            return;
        }
        pods.extend(self.index.iter().filter_map(|pod| {
            let stats = Some(self.disks.limited(pod)?.clone());
            let usage = PodUsage { tasks: living_tasks(pod), ..PodUsage::default() };
            Some(PodObservation { facts: pod.facts().clone(), usage, stats })
        }));
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
        if self.index.refresh() || reloaded {
            self.changed();
        }
        self.sampler.refresh(self.index.tree());
        let Some(kernel) = kernel else { return };
        if std::mem::take(&mut self.unfollowed) {
            kernel.follow(&self.index);
            self.disks.follow(&self.index, kernel.counters_mut());
        }
        kernel.follow_files(&self.index);
    }

    fn changed(&mut self) {
        self.names.note(&self.index);
        self.generation += 1;
        self.unfollowed = true;
    }

    /// Whose the pods' cgroups are, those that are gone included.
    pub const fn names(&self) -> &CgroupNames {
        &self.names
    }

    /// Changes when the pods' cgroups do.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What pods hold on disk.
    pub const fn disks(&self) -> &DiskUsages {
        &self.disks
    }

    /// Work that decisions are spared of: to be done at start and on ticks.
    pub fn prepare(&mut self, kernel: Option<&Kernel>) {
        self.disks.prepare(&self.index, kernel.map(Kernel::disk_counters));
    }
}
