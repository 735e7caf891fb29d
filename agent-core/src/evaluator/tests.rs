mod choice;
mod kubelet;
mod log_writers;
mod observe;
mod release;
mod soft;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::*;
use crate::{
    Bar, DiskUsage, Eviction, EvictionMaps, Outcome, PodFacts, PodObservation, PodRef, PodUsage,
    Qos, RefusedReason, Semantics, SignalObservation,
};

const MEMORY: Signal = Signal::MemoryAvailable;
const NODEFS: Signal = Signal::NodefsAvailable;
const PIDS: Signal = Signal::PidAvailable;

const fn ms(millis: u64) -> MonoTime {
    MonoTime::from_nanos(millis * 1_000_000)
}

fn pod(name: &str, priority: i32, usage: PodUsage) -> PodObservation {
    PodObservation {
        facts: Arc::new(PodFacts {
            id: PodRef { uid: name.into(), cgroup_inode: 7 },
            namespace: "default".into(),
            name: name.into(),
            priority,
            is_static: false,
            protected: false,
            qos: Qos::BestEffort,
            memory_request: 0,
            ephemeral_storage_request: 0,
            termination_grace_seconds: Some(30),
            spec: None,
        }),
        usage,
        stats: None,
    }
}

fn with(pod: &PodObservation, change: impl FnOnce(&mut PodFacts)) -> PodObservation {
    let mut facts = (*pod.facts).clone();
    change(&mut facts);
    PodObservation { facts: Arc::new(facts), usage: pod.usage, stats: None }
}

/// A pod that uses `n` of everything.
fn user(name: &str, n: u64) -> PodObservation {
    let disk = Some(DiskUsage { bytes: n, inodes: n });
    let usage = PodUsage {
        memory_working_set: Some(n),
        tasks: Some(n),
        logs: disk,
        rootfs: None,
        separate_logs: None,
        local_volumes: None,
    };
    pod(name, 0, usage)
}

/// Hard thresholds of 100 on memory, nodefs and pids unless `change` says otherwise.
fn policy(change: impl FnOnce(&mut EvictionMaps)) -> Policy {
    let hard = [MEMORY, NODEFS, PIDS].map(|signal| (signal.name().to_owned(), "100".to_owned()));
    let mut maps =
        EvictionMaps { hard: BTreeMap::from(hard), enforce_pods: false, ..EvictionMaps::default() };
    change(&mut maps);
    Policy::parse(&maps).unwrap()
}

fn soft_memory(maps: &mut EvictionMaps, quantity: &str, grace: &str) {
    maps.soft.insert(MEMORY.name().into(), quantity.into());
    maps.soft_grace_period.insert(MEMORY.name().into(), grace.into());
}

/// An evaluator with the shell's part of the protocol.
struct Node {
    evaluator: Evaluator,
    pods: Vec<PodObservation>,
}

impl Node {
    fn new(policy: Policy, pods: &[PodObservation]) -> Self {
        Self { evaluator: Evaluator::new(policy, ms(0)), pods: pods.to_vec() }
    }

    /// One evaluation at `at` of samples taken then; gives what was commanded but conditions.
    fn look(&mut self, at: u64, available: &[(Signal, i64)]) -> Vec<Command> {
        self.look_at_samples(at, at, available)
    }

    fn look_at_samples(&mut self, at: u64, sampled: u64, seen: &[(Signal, i64)]) -> Vec<Command> {
        let mut signals = NodeSignals::default();
        for &(signal, available) in seen {
            let sample = SignalObservation { available, capacity: 1000, at: Some(ms(sampled)) };
            signals.set(signal, Some(sample));
        }
        let usage_for = self.evaluator.usage_wanted(&signals, ms(at));
        let pods = if usage_for.is_some() { self.pods.clone() } else { Vec::new() };
        self.evaluator.handle_observation(
            &Observation { signals, usage_for, pods, ..Observation::default() },
            ms(at),
        );
        self.drain()
    }

    fn outcome(&mut self, at: u64, outcome: &Outcome) -> Vec<Command> {
        self.evaluator.handle_outcome(outcome, ms(at));
        self.drain()
    }

    fn drain(&mut self) -> Vec<Command> {
        let commands = std::iter::from_fn(|| self.evaluator.poll_command());
        commands
            .filter(|c| !matches!(c, Command::SetCondition { .. } | Command::ThresholdMet { .. }))
            .collect()
    }

    fn killed(&mut self, at: u64, id: u64) {
        assert_eq!(self.outcome(at, &Outcome::Killed { id: EvictionId(id) }), []);
    }

    fn emptied(&mut self, at: u64, id: u64) {
        assert_eq!(self.outcome(at, &Outcome::Emptied { id: EvictionId(id) }), []);
    }

    fn refused(&mut self, at: u64, id: u64, reason: RefusedReason) {
        assert_eq!(self.outcome(at, &Outcome::Refused { id: EvictionId(id), reason }), []);
    }
}

/// What was commanded, in short.
fn short(commands: &[Command]) -> Vec<String> {
    let text = |command: &Command| match command {
        Command::Evict(e) => format!("evict {} for {} ({})", e.pod.uid, e.signal, e.id.0),
        Command::Released { id, available, seen } => {
            format!("released {} {available} {seen}", id.0)
        }
        Command::UnableToEvict { signal } => format!("unable {signal}"),
        Command::SetCondition { condition, status } => format!("{condition} {status}"),
        Command::EvictOverLimit(e) => format!("evict {}: {}", e.pod.uid, e.limit),
        Command::Reclaim { signal, steps } => format!("reclaim {steps:?} for {signal}"),
        Command::ThresholdMet { signal } => format!("met {signal}"),
        Command::ReportLogWriter(r) => format!(
            "report {}/{} {} of {} for {} in {:.1}s ({})",
            r.pod.uid,
            r.container,
            r.rate,
            r.writers,
            r.signal,
            r.crosses_in.as_secs_f64(),
            r.action.name()
        ),
    };
    commands.iter().map(text).collect()
}

#[test]
fn a_hard_threshold_evicts_the_largest_at_once_and_says_all_about_it() {
    let mut node = Node::new(policy(|_| ()), &[user("small", 10), user("hog", 500)]);
    assert_eq!(node.look(1, &[(MEMORY, 100)]), [], "E-1: equal is not met");
    let [Command::Evict(eviction)] = &node.look(2, &[(MEMORY, 99)])[..] else { panic!() };
    let expected = Eviction {
        id: EvictionId(1),
        pod: PodRef { uid: "hog".into(), cgroup_inode: 7 },
        signal: MEMORY,
        reason: crate::EvictionReason::Threshold,
        hard: true,
        grace: Duration::ZERO,
        grace_override_seconds: 1,
        available: 99,
        quantity: 100,
        quantity_format: crate::Format::DecimalSi,
        threshold: crate::Quantity::new(100, crate::Format::DecimalSi),
        observed_at: ms(2),
        decided_at: ms(2),
        expected_release: 500,
    };
    assert_eq!(*eviction, expected);
    assert_eq!(node.evaluator.ranking().len(), 2);
}
