//! Invariants of the evaluator over random histories of observations, outcomes and time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evictd_core::{
    Command, DiskUsage, Evaluator, Eviction, EvictionId, Format, MonoTime, NodeSignals,
    Observation, Outcome, PodFacts, PodObservation, PodRef, PodUsage, Policy, Qos, Quantity,
    RefusedReason, Resource, Semantics, Signal, SignalObservation, Threshold, ThresholdValue,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// The signals of these histories: two of one resource, two of other ones.
const SIGNALS: [Signal; 4] = [
    Signal::MemoryAvailable,
    Signal::AllocatableMemoryAvailable,
    Signal::NodefsAvailable,
    Signal::PidAvailable,
];

/// What the shell tells the evaluator.
#[derive(Clone, Debug)]
enum Step {
    /// Sample the signals (`None`: unknown), read what is wanted, evaluate.
    Look { available: [Option<i64>; 4], fresh: bool },
    /// Report on the latest evictions, `back` before the last.
    Outcome { kind: u8, back: u64 },
    /// Only time passes.
    Timeout,
}

/// A history: each step with the milliseconds since the one before.
type History = Vec<(u64, Step)>;

fn step() -> impl Strategy<Value = Step> {
    let seen = || option::weighted(0.8, 0_i64..400);
    prop_oneof![
        6 => ([seen(), seen(), seen(), seen()], any::<bool>())
            .prop_map(|(available, fresh)| Step::Look { available, fresh }),
        3 => (0_u8..6, 0_u64..3).prop_map(|(kind, back)| Step::Outcome { kind, back }),
        1 => Just(Step::Timeout),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let pause = prop_oneof![4 => 0_u64..20, 1 => 0_u64..20_000];
    vec((pause, step()), 1..60)
}

fn value(units: i64) -> ThresholdValue {
    ThresholdValue::Quantity(Quantity::new(units, Format::DecimalSi))
}

prop_compose! {
    fn threshold()(
        signal in select(SIGNALS.to_vec()),
        quantity in 1_i64..300,
        grace in prop_oneof![Just(0_u64), 1_u64..100],
        min_reclaim in option::of(0_i64..100),
    ) -> Threshold {
        let grace = Duration::from_millis(grace);
        Threshold { signal, value: value(quantity), grace, min_reclaim: min_reclaim.map(value) }
    }
}

prop_compose! {
    fn policy()(
        thresholds in vec(threshold(), 1..6),
        kubelet in any::<bool>(),
        max_grace in 0_u64..60,
    ) -> Policy {
        let mut policy = Policy::linux_defaults();
        policy.thresholds = thresholds;
        policy.semantics = if kubelet { Semantics::Kubelet } else { Semantics::Strict };
        policy.max_pod_grace = Duration::from_secs(max_grace);
        policy
    }
}

prop_compose! {
    fn pod()(
        uid in 0_u8..20,
        inode in 0_u64..4,
        priority in prop_oneof![4 => -1..3, 1 => Just(2_000_000_000)],
        is_static in prop::bool::weighted(0.1),
        protected in prop::bool::weighted(0.1),
        request in 0_u64..100,
        memory in option::weighted(0.9, 0_u64..300),
        tasks in option::weighted(0.9, 0_u64..300),
        disk in option::weighted(0.9, 0_u64..300),
    ) -> PodObservation {
        let name: Arc<str> = format!("pod-{uid}").into();
        PodObservation {
            facts: Arc::new(PodFacts {
                id: PodRef { uid: name.clone(), cgroup_inode: inode },
                namespace: "default".into(),
                name,
                priority,
                is_static,
                protected,
                qos: Qos::Burstable,
                memory_request: request,
                ephemeral_storage_request: request,
                termination_grace_seconds: None,
                spec: None,
            }),
            usage: PodUsage {
                memory_working_set: memory,
                tasks,
                logs: disk.map(|n| DiskUsage { bytes: n, inodes: n }),
                rootfs: None,
                local_volumes: None,
            },
            stats: None,
        }
    }
}

/// What happened at one step.
#[derive(Debug, PartialEq)]
struct Event {
    now: MonoTime,
    seen: Option<NodeSignals>,
    outcome: Option<Outcome>,
    commands: Vec<Command>,
}

fn signals(available: [Option<i64>; 4], at: MonoTime) -> NodeSignals {
    let mut signals = NodeSignals::default();
    for (signal, available) in SIGNALS.into_iter().zip(available) {
        let seen = available.map(|available| SignalObservation {
            available,
            capacity: 1000,
            at: Some(at),
        });
        signals.set(signal, seen);
    }
    signals
}

fn outcome(kind: u8, id: EvictionId) -> Outcome {
    let refused = |reason| Outcome::Refused { id, reason };
    match kind {
        0 => Outcome::Killed { id },
        1 => Outcome::Emptied { id },
        2 => Outcome::Observed { id },
        3 => refused(RefusedReason::Gone),
        4 => refused(RefusedReason::Reused),
        _ => refused(RefusedReason::Failed),
    }
}

fn play(policy: &Policy, pods: &[PodObservation], history: &History) -> Vec<Event> {
    let mut now = 0;
    let mut sampled = MonoTime::from_nanos(0);
    let mut evaluator = Evaluator::new(policy.clone(), sampled);
    let mut last_id = 0;
    let mut events = Vec::new();
    for (pause, step) in history {
        now += pause * 1_000_000;
        let at = MonoTime::from_nanos(now);
        let mut event = Event { now: at, seen: None, outcome: None, commands: Vec::new() };
        match *step {
            Step::Look { available, fresh } => {
                sampled = if fresh { at } else { sampled };
                let signals = signals(available, sampled);
                let usage_for = evaluator.usage_wanted(&signals, at);
                let pods = if usage_for.is_some() { pods.to_vec() } else { Vec::new() };
                evaluator.handle_observation(
                    &Observation { signals, usage_for, pods, ..Observation::default() },
                    at,
                );
                event.seen = Some(signals);
            }
            Step::Outcome { kind, back } => {
                let outcome = outcome(kind, EvictionId(u64::saturating_sub(last_id, back)));
                evaluator.handle_outcome(&outcome, at);
                event.outcome = Some(outcome);
            }
            Step::Timeout => evaluator.handle_timeout(at),
        }
        while let Some(command) = evaluator.poll_command() {
            if let Command::Evict(eviction) = &command {
                last_id = eviction.id.0;
            }
            event.commands.push(command);
        }
        events.push(event);
    }
    events
}

fn evictions(event: &Event) -> impl Iterator<Item = &Eviction> {
    event.commands.iter().filter_map(|command| match command {
        Command::Evict(eviction) => Some(eviction),
        Command::EvictOverLimit(_)
        | Command::Reclaim { .. }
        | Command::ThresholdMet { .. }
        | Command::SetCondition { .. }
        | Command::Released { .. }
        | Command::UnableToEvict { .. } => None,
    })
}

/// True when `threshold` was met or unresolved in every observation that knew its signal, from one
/// at least its grace period before `now` up to `now`.
fn held_for_its_grace(threshold: &Threshold, past: &[Event], now: MonoTime) -> bool {
    for event in past.iter().rev() {
        let Some(seen) = event.seen.and_then(|signals| signals.get(threshold.signal)) else {
            continue;
        };
        if !threshold.is_unresolved(seen) {
            return false;
        }
        if now.since(event.now) >= threshold.grace {
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_evicted_before_its_grace_has_elapsed(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        let events = play(&policy, &pods, &history);
        for (i, event) in events.iter().enumerate() {
            for eviction in evictions(event) {
                let justified = policy.thresholds.iter().any(|threshold| {
                    threshold.signal == eviction.signal
                        && threshold.is_hard() == eviction.hard
                        && threshold.quantity(1000) == eviction.quantity
                        && held_for_its_grace(threshold, &events[..=i], event.now)
                });
                prop_assert!(justified, "{eviction:?}");
                prop_assert!(!eviction.hard || eviction.grace.is_zero());
                prop_assert!(eviction.grace <= policy.max_pod_grace);
            }
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_commands(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        prop_assert_eq!(play(&policy, &pods, &history), play(&policy, &pods, &history));
    }

    #[test]
    fn at_most_one_eviction_is_in_flight_for_a_resource(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        let mut open: BTreeMap<Resource, EvictionId> = BTreeMap::new();
        for event in play(&policy, &pods, &history) {
            if let Some(Outcome::Refused { id, .. }) = event.outcome {
                open.retain(|_, other| *other != id);
            }
            let mut evicted = 0;
            for command in &event.commands {
                match command {
                    Command::Released { id, .. } => open.retain(|_, other| other != id),
                    Command::Evict(eviction) => {
                        evicted += 1;
                        let before = open.insert(eviction.signal.resource(), eviction.id);
                        prop_assert_eq!(before, None, "{:?}", eviction);
                        if policy.semantics == Semantics::Kubelet {
                            prop_assert_eq!(open.len(), 1, "L-1: {:?}", eviction);
                        }
                    }
                    Command::EvictOverLimit(_)
                    | Command::Reclaim { .. }
                    | Command::ThresholdMet { .. }
                    | Command::SetCondition { .. }
                    | Command::UnableToEvict { .. } => {}
                }
            }
            // One by ranking, and one upgrade from soft to hard for each of three other resources.
            prop_assert!(evicted <= 4);
        }
    }

    #[test]
    fn a_protected_pod_is_never_evicted(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        for event in play(&policy, &pods, &history) {
            for eviction in evictions(&event) {
                let open = pods.iter().any(|pod| {
                    pod.facts.id == eviction.pod
                        && !pod.facts.is_static
                        && !pod.facts.protected
                        && pod.facts.priority < 2_000_000_000
                });
                prop_assert!(open, "{eviction:?}");
                prop_assert_ne!(eviction.pod.cgroup_inode, 0);
            }
        }
    }

    #[test]
    fn every_eviction_has_a_sample_of_its_own(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        let mut used: BTreeMap<Signal, MonoTime> = BTreeMap::new();
        for event in play(&policy, &pods, &history) {
            for eviction in evictions(&event) {
                let before = used.insert(eviction.signal, eviction.observed_at);
                // The kubelet forgets the time of a signal that was missing meanwhile (L-12).
                if policy.semantics == Semantics::Strict {
                    prop_assert!(before.is_none_or(|b| b < eviction.observed_at), "{eviction:?}");
                }
                let seen = event.seen.and_then(|signals| signals.get(eviction.signal));
                prop_assert!(seen.is_some(), "decided on an unknown signal: {eviction:?}");
            }
            if event.seen.is_none() {
                prop_assert_eq!(evictions(&event).count(), 0);
            }
        }
    }

    #[test]
    fn a_timeout_that_was_handled_does_not_come_again(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        let mut evaluator = Evaluator::new(policy, MonoTime::default());
        let mut now = 0;
        let mut last = EvictionId(0);
        for (pause, step) in history {
            now += pause * 1_000_000;
            let at = MonoTime::from_nanos(now);
            match step {
                Step::Look { available, .. } => {
                    let signals = signals(available, at);
                    let usage_for = evaluator.usage_wanted(&signals, at);
                    let observation = Observation { signals, usage_for, pods: pods.clone(), ..Observation::default() };
                    evaluator.handle_observation(&observation, at);
                }
                Step::Outcome { kind, .. } => evaluator.handle_outcome(&outcome(kind, last), at),
                Step::Timeout => {
                    if let Some(timeout) = evaluator.poll_timeout() {
                        now = now.max(timeout.as_nanos());
                        evaluator.handle_timeout(timeout);
                        prop_assert!(evaluator.poll_timeout().is_none_or(|next| next > timeout));
                    }
                }
            }
            while let Some(command) = evaluator.poll_command() {
                if let Command::Evict(eviction) = command {
                    last = eviction.id;
                }
            }
        }
    }

    #[test]
    fn extremes_do_not_panic(
        numbers in vec((any::<i64>(), any::<i64>(), option::of(any::<u64>())), 1..20),
        usage in vec((any::<u64>(), any::<u64>(), any::<i32>()), 0..6),
        quantity in any::<i64>(),
        share in any::<f32>(),
        grace in any::<u64>(),
        kubelet in any::<bool>(),
    ) {
        let mut policy = Policy::linux_defaults();
        for (i, signal) in Signal::ALL.into_iter().enumerate() {
            policy.thresholds.push(Threshold {
                signal,
                value: if i % 2 == 0 { value(quantity) } else { ThresholdValue::Percentage(share) },
                grace: Duration::from_nanos(if i % 3 == 0 { grace } else { 0 }),
                min_reclaim: Some(ThresholdValue::Percentage(share)),
            });
        }
        policy.semantics = if kubelet { Semantics::Kubelet } else { Semantics::Strict };
        let template = |i: usize, &(used, request, priority): &(u64, u64, i32)| PodObservation {
            facts: Arc::new(PodFacts {
                id: PodRef { uid: format!("{i}").into(), cgroup_inode: request },
                namespace: "".into(),
                name: "".into(),
                priority,
                is_static: false,
                protected: false,
                qos: Qos::Guaranteed,
                memory_request: request,
                ephemeral_storage_request: request,
                termination_grace_seconds: Some(used),
                spec: None,
            }),
            usage: PodUsage {
                memory_working_set: Some(used),
                tasks: Some(used),
                logs: Some(DiskUsage { bytes: used, inodes: used }),
                rootfs: Some(DiskUsage { bytes: used, inodes: request }),
                local_volumes: None,
            },
            stats: None,
        };
        let pods: Vec<_> = usage.iter().enumerate().map(|(i, u)| template(i, u)).collect();
        let mut evaluator = Evaluator::new(policy.clone(), MonoTime::from_nanos(u64::MAX));
        for (i, (available, capacity, at)) in numbers.into_iter().enumerate() {
            let now = MonoTime::from_nanos(at.unwrap_or(u64::MAX));
            let seen = SignalObservation { available, capacity, at: at.map(MonoTime::from_nanos) };
            let mut signals = NodeSignals::default();
            for signal in Signal::ALL {
                signals.set(signal, Some(seen));
                policy.headroom(&signals, signal);
            }
            let usage_for = Some(Signal::ALL[i % Signal::COUNT]);
            let observation = Observation { signals, usage_for, pods: pods.clone(), ..Observation::default() };
            evaluator.handle_observation(&observation, now);
            while let Some(command) = evaluator.poll_command() {
                if let Command::Evict(eviction) = command {
                    let kind = u8::try_from(i % 6).unwrap();
                    evaluator.handle_outcome(&outcome(kind, eviction.id), now);
                }
            }
            evaluator.handle_timeout(now);
            evaluator.poll_timeout();
        }
    }

    #[test]
    fn a_quantity_printed_reads_as_itself(units in any::<i64>(), binary in any::<bool>()) {
        let format = if binary { Format::BinarySi } else { Format::DecimalSi };
        let printed = Quantity::new(units, format).to_string();
        let read = Quantity::parse(&printed).map(Quantity::value);
        // One number more is negative than positive, and the API caps at the latter.
        prop_assert_eq!(read, Ok(units.max(-i64::MAX)));
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[-+0-9.eEinumkKMGTPshµ% ]{0,40}|\\PC{0,20}") {
        let _ = Quantity::parse(&text);
        let _ = evictd_core::parse_duration(&text);
    }
}
