//! The greatest, the least and what is no number at all.

use std::{sync::Arc, time::Duration};

use evictd_core::{
    Command, DiskUsage, Evaluator, MonoTime, NodeSignals, Observation, PodFacts, PodObservation,
    PodRef, PodUsage, Policy, Qos, Semantics, Signal, SignalObservation, Threshold, ThresholdValue,
};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    arbitrary::{history, pod, policy, value},
    cases,
    play::{evictions, outcome, play},
};

proptest! {
    #![proptest_config(cases())]

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
                separate_logs: None,
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
    fn what_is_no_number_or_not_known_evicts_nobody(
        policy in policy(), pods in vec(pod(), 0..8), history in history(), no_number in any::<bool>(),
    ) {
        let mut policy = policy;
        let mut history = history;
        if no_number {
            for threshold in &mut policy.thresholds {
                threshold.value = ThresholdValue::Percentage(f32::NAN);
            }
        } else {
            for (_, step) in &mut history {
                if let crate::arbitrary::Step::Look { available, .. } = step {
                    *available = [None; 4];
                }
            }
        }
        for event in play(&policy, &pods, &history) {
            prop_assert_eq!(evictions(&event).count(), 0);
        }
    }
}
