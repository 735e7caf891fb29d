//! What holds in every history.

use std::collections::BTreeMap;

use evictd_core::{
    Command, Evaluator, EvictionId, MonoTime, Observation, Outcome, Resource, Semantics, Signal,
};
use proptest::{collection::vec, prelude::*};

use crate::{
    arbitrary::{Step, history, pod, policy},
    cases,
    play::{evictions, held_for_its_grace, outcome, play, signals},
};

proptest! {
    #![proptest_config(cases())]

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
                    | Command::ReportLogWriter(_)
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
                match command {
                    Command::Evict(eviction) => last = eviction.id,
                    Command::Reclaim { .. } => {
                        evaluator.handle_outcome(&Outcome::Reclaimed { signals: None }, at);
                    }
                    Command::EvictOverLimit(_)
                    | Command::ThresholdMet { .. }
                    | Command::SetCondition { .. }
                    | Command::Released { .. }
                    | Command::ReportLogWriter(_)
                    | Command::UnableToEvict { .. } => {}
                }
            }
        }
    }
}
