//! A node of so many pods, three containers and two volumes each, as the recorded figures have it.

use std::sync::Arc;

use evictd_core::{
    Command, Container, ContainerStats, DiskUsage, Evaluator, EvictionReport, Format, FsStats,
    MonoTime, NodeReclaim, NodeSignals, Observation, Outcome, PodFacts, PodObservation, PodRef,
    PodSpec, PodSpecParts, PodStats, PodUsage, Policy, Qos, Quantity, ResourceList, Semantics,
    Signal, SignalObservation, Summary, Volume, VolumeKind, VolumeStats,
};

/// What is met.
#[derive(Clone, Copy)]
pub enum Met {
    Nothing,
    Memory,
    Nodefs,
}

pub struct Node {
    evaluator: Evaluator,
    observation: Observation,
    now: u64,
}

const CAPACITY: i64 = 100 << 30;

impl Node {
    pub fn new(semantics: Semantics, met: Met, pods: usize) -> Self {
        let policy =
            Policy { semantics, node_reclaim: NodeReclaim::First, ..Policy::linux_defaults() };
        let starved = match met {
            Met::Nothing => None,
            Met::Memory => Some(Signal::MemoryAvailable),
            Met::Nodefs => Some(Signal::NodefsAvailable),
        };
        let mut signals = NodeSignals::default();
        for signal in Signal::ALL {
            let available = if Some(signal) == starved { 1 << 20 } else { CAPACITY / 2 };
            let at = Some(MonoTime::default());
            signals.set(signal, Some(SignalObservation { available, capacity: CAPACITY, at }));
        }
        // In strict semantics pods are looked at only when something is met.
        let whole = semantics == Semantics::Kubelet;
        let pods = if whole || starved.is_some() { (0..pods).map(pod).collect() } else { vec![] };
        let summary = if whole { Summary::Whole } else { Summary::NotTaken };
        let observation =
            Observation { signals, usage_for: starved, pods, summary, ..Observation::default() };
        Self { evaluator: Evaluator::new(policy, MonoTime::default()), observation, now: 0 }
    }

    /// One evaluation of a newer sample. What it commands is done by doing nothing; the report of an
    /// eviction is part of it, for the recorded figures have it too.
    pub fn step(&mut self) -> Option<EvictionReport> {
        // Long enough that no release of the step before is still waited for.
        self.now += 60_000_000_000;
        let now = MonoTime::from_nanos(self.now);
        let signals = &mut self.observation.signals;
        for signal in Signal::ALL {
            signals.set(
                signal,
                signals.get(signal).map(|seen| SignalObservation { at: Some(now), ..seen }),
            );
        }
        self.evaluator.usage_wanted(&self.observation.signals, now);
        self.evaluator.handle_observation(&self.observation, now);
        let mut report = None;
        while let Some(command) = self.evaluator.poll_command() {
            match command {
                Command::Evict(eviction) => {
                    let id = eviction.id;
                    self.evaluator.handle_outcome(&Outcome::Killed { id }, now);
                    self.evaluator.handle_outcome(&Outcome::Emptied { id }, now);
                    let pods = &self.observation.pods;
                    let place = self.evaluator.ranking().iter().find(|p| p.barred.is_none());
                    let victim = place.and_then(|place| pods.get(place.pod));
                    report = victim.map(|pod| EvictionReport::of_pressure(&eviction, pod, true));
                }
                Command::Reclaim { .. } => {
                    let signals = Some(Box::new(self.observation.signals));
                    self.evaluator.handle_outcome(&Outcome::Reclaimed { signals }, now);
                }
                Command::EvictOverLimit(_)
                | Command::ThresholdMet { .. }
                | Command::SetCondition { .. }
                | Command::Released { .. }
                | Command::ReportLogWriter(_)
                | Command::UnableToEvict { .. } => {}
            }
        }
        report
    }
}

fn amounts(memory: i64, disk: i64) -> ResourceList {
    ResourceList {
        memory: Some(Quantity::new(memory, Format::BinarySi)),
        ephemeral_storage: Some(Quantity::new(disk, Format::BinarySi)),
    }
}

fn pod(i: usize) -> PodObservation {
    let n = i as u64;
    let memory = 10_000 + n * 7919 % 1000;
    let containers = ["c0", "c1", "c2"];
    let volume = |name: &str, kind, size_limit| Volume { name: name.into(), kind, size_limit };
    let limit = Some(Quantity::new(1 << 30, Format::BinarySi));
    let spec = PodSpec::new(PodSpecParts {
        containers: containers
            .map(|name| Container {
                name: name.into(),
                requests: amounts(1000, 1000),
                limits: amounts(1 << 30, 1 << 30),
                is_sidecar: false,
            })
            .into(),
        volumes: vec![
            volume("data", VolumeKind::EmptyDir, limit),
            volume("config", VolumeKind::OtherLocal, None),
        ],
        ..PodSpecParts::default()
    });
    let fs = |used| FsStats { used: Some(used), inodes_used: Some(10) };
    let stats = PodStats {
        memory_working_set: Some(memory),
        process_count: Some(5),
        ephemeral_storage_used: Some(memory),
        containers: containers
            .map(|name| ContainerStats {
                name: name.into(),
                memory_working_set: Some(memory / 3),
                rootfs: fs(memory / 4),
                logs: fs(memory / 8),
            })
            .into(),
        volumes: ["data", "config"]
            .map(|name| VolumeStats { name: name.into(), fs: fs(memory) })
            .into(),
    };
    let disk = |bytes| Some(DiskUsage { bytes, inodes: 10 });
    let facts = PodFacts {
        id: PodRef { uid: format!("uid-{i}").into(), cgroup_inode: n + 1 },
        namespace: "default".into(),
        name: format!("pod-{i}").into(),
        priority: [0, 10, 100, 1000, 10_000][i % 5],
        is_static: false,
        protected: false,
        qos: Qos::Burstable,
        memory_request: 3000,
        ephemeral_storage_request: 3000,
        termination_grace_seconds: Some(30),
        spec: Some(Arc::new(spec)),
    };
    let usage = PodUsage {
        memory_working_set: Some(memory),
        // Running again after each eviction, so that it can be evicted again.
        tasks: Some(5),
        logs: disk(memory / 8),
        rootfs: disk(memory / 4),
        separate_logs: None,
        local_volumes: disk(memory),
    };
    PodObservation { facts: Arc::new(facts), usage, stats: Some(Arc::new(stats)) }
}
