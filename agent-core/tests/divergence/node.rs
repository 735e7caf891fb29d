//! A node with an evaluator on it, in either semantics.

use std::{collections::BTreeMap, sync::Arc};

use evictd_core::{
    Command, Evaluator, EvictionMaps, MonoTime, NodeReclaim, NodeSignals, Observation, Outcome,
    PodFacts, PodObservation, PodRef, PodStats, PodUsage, Policy, Qos, Semantics, Signal,
    SignalObservation, Summary,
};

pub const MEMORY: Signal = Signal::MemoryAvailable;
pub const NODEFS: Signal = Signal::NodefsAvailable;
pub const IMAGEFS: Signal = Signal::ImagefsAvailable;
pub const INODES: Signal = Signal::NodefsInodesFree;
pub const PIDS: Signal = Signal::PidAvailable;

/// Entries of an eviction map.
pub type Entries<'a> = &'a [(Signal, &'a str)];

pub fn map(entries: Entries<'_>) -> BTreeMap<String, String> {
    entries.iter().map(|(signal, value)| (signal.name().to_owned(), (*value).to_owned())).collect()
}

/// Hard thresholds alone, and no copies of them.
pub fn hard(entries: Entries<'_>) -> EvictionMaps {
    EvictionMaps { hard: map(entries), enforce_pods: false, ..EvictionMaps::default() }
}

/// A pod that has no requests and uses nothing unless `change` says otherwise.
pub fn pod(name: &str, change: impl FnOnce(&mut PodFacts, &mut PodUsage)) -> PodObservation {
    let mut facts = PodFacts {
        id: PodRef { uid: name.into(), cgroup_inode: 1 },
        namespace: "default".into(),
        name: name.into(),
        priority: 0,
        is_static: false,
        protected: false,
        qos: Qos::Burstable,
        memory_request: 0,
        ephemeral_storage_request: 0,
        termination_grace_seconds: None,
        spec: None,
    };
    let mut usage = PodUsage::default();
    change(&mut facts, &mut usage);
    PodObservation { facts: Arc::new(facts), usage, stats: None }
}

/// The same with the statistics of a summary.
pub fn with_stats(pod: PodObservation, stats: PodStats) -> PodObservation {
    PodObservation { stats: Some(Arc::new(stats)), ..pod }
}

/// A pod that uses so many bytes of memory, known from its cgroup and from a summary.
pub fn memory_user(name: &str, bytes: u64) -> PodObservation {
    let pod = pod(name, |_, usage| usage.memory_working_set = Some(bytes));
    with_stats(pod, PodStats { memory_working_set: Some(bytes), ..PodStats::default() })
}

pub struct Node {
    pub evaluator: Evaluator,
    pub pods: Vec<PodObservation>,
    pub summary: Summary,
}

impl Node {
    /// Where kubelet semantics can free something first, so does strict.
    pub fn new(semantics: Semantics, maps: &EvictionMaps, pods: &[PodObservation]) -> Self {
        let maps = EvictionMaps { semantics, ..maps.clone() };
        let mut policy = Policy::parse(&maps).expect("these maps are good");
        policy.node_reclaim = NodeReclaim::First;
        Self::with_policy(policy, pods)
    }

    pub fn with_policy(policy: Policy, pods: &[PodObservation]) -> Self {
        Self {
            evaluator: Evaluator::new(policy, at(0)),
            pods: pods.to_vec(),
            summary: Summary::Whole,
        }
    }

    /// One evaluation of samples taken just then; gives what was commanded, in short.
    pub fn look(&mut self, seconds: u64, seen: &[(Signal, i64)]) -> Vec<String> {
        self.look_at_samples(seconds, seconds, seen)
    }

    pub fn look_at_samples(
        &mut self,
        seconds: u64,
        sampled: u64,
        seen: &[(Signal, i64)],
    ) -> Vec<String> {
        let signals = signals(sampled, seen);
        let observation = Observation {
            signals,
            usage_for: self.evaluator.usage_wanted(&signals, at(seconds)),
            pods: self.pods.clone(),
            summary: self.summary,
            ..Observation::default()
        };
        self.evaluator.handle_observation(&observation, at(seconds));
        self.commands()
    }

    pub fn outcome(&mut self, seconds: u64, outcome: &Outcome) -> Vec<String> {
        self.evaluator.handle_outcome(outcome, at(seconds));
        self.commands()
    }

    /// Something was freed, and then this was seen.
    pub fn reclaimed(&mut self, seconds: u64, seen: &[(Signal, i64)]) -> Vec<String> {
        let signals = Some(Box::new(signals(seconds, seen)));
        self.outcome(seconds, &Outcome::Reclaimed { signals })
    }

    fn commands(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.evaluator.poll_command()).filter_map(|c| short(&c)).collect()
    }
}

pub const fn at(seconds: u64) -> MonoTime {
    MonoTime::from_nanos(seconds * 1_000_000_000)
}

/// All on a capacity of 1000.
pub fn signals(sampled: u64, seen: &[(Signal, i64)]) -> NodeSignals {
    let mut signals = NodeSignals::default();
    for &(signal, available) in seen {
        let at = Some(at(sampled));
        signals.set(signal, Some(SignalObservation { available, capacity: 1000, at }));
    }
    signals
}

/// Who is evicted for what; conditions and notes are left out.
fn short(command: &Command) -> Option<String> {
    match command {
        Command::Evict(e) => Some(format!("evict {} for {}", e.pod.uid, e.signal)),
        Command::EvictOverLimit(e) => {
            Some(format!("evict {} over {}", e.pod.uid, e.limit.metric()))
        }
        Command::Reclaim { signal, .. } => Some(format!("reclaim for {signal}")),
        Command::UnableToEvict { signal } => Some(format!("unable for {signal}")),
        Command::Released { .. }
        | Command::SetCondition { .. }
        | Command::ThresholdMet { .. }
        | Command::ReportLogWriter(_) => None,
    }
}
