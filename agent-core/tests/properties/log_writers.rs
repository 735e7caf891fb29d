//! What holds of log writers in every history.

use evictd_core::{
    Command, Evaluator, EvictionReason, LogWriterAction, LogWrites, MonoTime, NodeSignals,
    Observation, Outcome, PodObservation, Policy, Semantics, Signal, SignalObservation,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::time::Duration;

use crate::{
    arbitrary::{pod, value},
    cases,
};

const NODEFS: Signal = Signal::NodefsAvailable;
const CAPACITY: i64 = 1_000_000_000;

/// A look: milliseconds since the one before, what is available, whether logs are read, and what each
/// of three containers has written since in bytes per millisecond (kB/s).
type Look = (u64, Option<i64>, bool, [u64; 3]);

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let available = || option::weighted(0.9, 0..CAPACITY);
    let rate = || prop_oneof![2 => 0_u64..4000, 2 => 4000_u64..40_000, 1 => Just(0)];
    let pause = prop_oneof![4 => 150_u64..300, 1 => 1_u64..150, 1 => 300_u64..10_000];
    vec((pause, available(), prop::bool::weighted(0.9), [rate(), rate(), rate()]), 1..40)
}

prop_compose! {
    fn policy()(
        action in select(vec![LogWriterAction::Off, LogWriterAction::Report, LogWriterAction::Evict]),
        kubelet in any::<bool>(),
        horizon in 1_u64..200,
        minimum_rate in prop_oneof![Just(5_000_000_u64), 1_u64..20_000_000],
        quantity in option::weighted(0.9, 1_i64..CAPACITY),
    ) -> Policy {
        let mut policy = Policy::linux_defaults();
        policy.thresholds.retain(|threshold| threshold.signal == NODEFS);
        match quantity {
            Some(quantity) => policy.thresholds[0].value = value(quantity),
            None => policy.thresholds.clear(),
        }
        policy.semantics = if kubelet { Semantics::Kubelet } else { Semantics::Strict };
        policy.log_writers.action = action;
        policy.log_writers.horizon = Duration::from_secs(horizon);
        policy.log_writers.minimum_rate = minimum_rate;
        policy
    }
}

/// Plays the looks; gives the commands of each. `outcome`: what comes of evictions.
fn play(
    policy: &Policy,
    pods: &[PodObservation],
    looks: &[Look],
    outcome: u8,
) -> Vec<Vec<Command>> {
    let mut evaluator = Evaluator::new(policy.clone(), MonoTime::default());
    let (mut now, mut written) = (0, [0_u64; 3]);
    let mut commanded = Vec::new();
    for (pause, available, reads, rates) in looks {
        now += pause * 1_000_000;
        for (written, rate) in written.iter_mut().zip(rates) {
            *written += rate * pause;
        }
        let at = MonoTime::from_nanos(now);
        let mut signals = NodeSignals::default();
        let seen = |available| SignalObservation { available, capacity: CAPACITY, at: Some(at) };
        signals.set(NODEFS, available.map(seen));
        let usage_for = evaluator.usage_wanted(&signals, at);
        let log_writes = pods.iter().zip(written).map(|(pod, bytes)| LogWrites {
            pod: pod.facts.id.clone(),
            container: "app".into(),
            bytes,
        });
        let observation = Observation {
            signals,
            usage_for,
            pods: if usage_for.is_some() { pods.to_vec() } else { Vec::new() },
            log_writes: if *reads { log_writes.collect() } else { Vec::new() },
            ..Observation::default()
        };
        evaluator.handle_observation(&observation, at);
        let mut commands = Vec::new();
        while let Some(command) = evaluator.poll_command() {
            if let Command::Evict(eviction) = &command {
                evaluator.handle_outcome(&crate::play::outcome(outcome, eviction.id), at);
            }
            commands.push(command);
        }
        commanded.push(commands);
    }
    commanded
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_writer_is_evicted_only_if_that_is_wanted_and_it_is_runaway(
        policy in policy(), pods in vec(pod(), 1..4), looks in looks(), outcome in 0_u8..6,
    ) {
        let may = policy.log_writers.action == LogWriterAction::Evict
            && policy.semantics == Semantics::Strict;
        for (commands, (_, available, ..)) in play(&policy, &pods, &looks, outcome).iter().zip(&looks) {
            for command in commands {
                let Command::Evict(eviction) = command else { continue };
                let EvictionReason::LogWriter { rate, crosses_in, .. } = &eviction.reason else {
                    continue;
                };
                prop_assert!(may, "{eviction:?}");
                prop_assert!(*rate >= policy.log_writers.minimum_rate);
                prop_assert!(*crosses_in <= policy.log_writers.horizon);
                prop_assert!(available.is_some_and(|available| available >= eviction.quantity));
                let victim = pods.iter().any(|pod| {
                    pod.facts.id == eviction.pod && !pod.facts.protected && !pod.facts.is_critical()
                });
                prop_assert!(victim && eviction.pod.cgroup_inode != 0, "{eviction:?}");
            }
        }
    }

    #[test]
    fn a_writer_that_never_reaches_the_minimum_is_never_told_of(
        policy in policy(), pods in vec(pod(), 1..4), looks in looks(),
    ) {
        let fastest = looks.iter().flat_map(|look| look.3).max().unwrap_or(0) * 1000;
        let mut policy = policy;
        policy.log_writers.minimum_rate = fastest + 1;
        for commands in play(&policy, &pods, &looks, 0) {
            for command in commands {
                prop_assert!(!matches!(command, Command::ReportLogWriter(_)), "{command:?}");
                if let Command::Evict(eviction) = command {
                    prop_assert_eq!(eviction.reason, EvictionReason::Threshold);
                }
            }
        }
    }

    #[test]
    fn reading_logs_changes_nothing_else_when_nobody_is_evicted_for_it(
        policy in policy(), pods in vec(pod(), 1..4), looks in looks(), outcome in 0_u8..6,
    ) {
        let mut policy = policy;
        policy.log_writers.action = LogWriterAction::Report;
        let unread: Vec<Look> = looks.iter().map(|look| (look.0, look.1, false, look.3)).collect();
        let others = |commands: Vec<Vec<Command>>| -> Vec<Vec<Command>> {
            let is_other = |command: &Command| !matches!(command, Command::ReportLogWriter(_));
            commands.into_iter().map(|c| c.into_iter().filter(is_other).collect()).collect()
        };
        prop_assert_eq!(
            others(play(&policy, &pods, &looks, outcome)),
            play(&policy, &pods, &unread, outcome)
        );
    }

    #[test]
    fn extreme_counts_and_policies_do_not_panic(
        policy in policy(), pods in vec(pod(), 1..4), rate in any::<u64>(),
        counts in vec(any::<u64>(), 1..10), horizon in any::<u64>(), pause in any::<u64>(),
    ) {
        let mut policy = policy;
        policy.log_writers.minimum_rate = rate;
        policy.log_writers.horizon = Duration::from_nanos(horizon);
        let mut evaluator = Evaluator::new(policy, MonoTime::default());
        let mut now = MonoTime::default();
        for bytes in counts {
            now = now.after(Duration::from_nanos(pause / 4));
            let mut signals = NodeSignals::default();
            let available = bytes.cast_signed();
            signals.set(NODEFS, Some(SignalObservation { available, capacity: i64::MAX, at: None }));
            let usage_for = evaluator.usage_wanted(&signals, now);
            let pod = |pod: &PodObservation| pod.facts.id.clone();
            let log_writes = pods.iter().map(|p| LogWrites { pod: pod(p), container: "c".into(), bytes });
            let log_writes = log_writes.collect();
            let o = Observation { signals, usage_for, pods: pods.clone(), log_writes, ..Observation::default() };
            evaluator.handle_observation(&o, now);
            while let Some(command) = evaluator.poll_command() {
                if let Command::Evict(eviction) = command {
                    evaluator.handle_outcome(&Outcome::Killed { id: eviction.id }, now);
                }
            }
        }
    }
}
