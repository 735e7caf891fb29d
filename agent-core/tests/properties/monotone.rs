//! More room never makes an eviction come sooner, and a higher threshold never later.

use evictd_core::{Format, MonoTime, PodObservation, Policy, Quantity, Threshold, ThresholdValue};
use proptest::{collection::vec, prelude::*};

use crate::{
    arbitrary::{History, Step, history, pod, policy},
    cases,
    play::{evictions, play},
};

/// When the first pod is evicted; outcomes are left out, for there are none before it.
fn first_eviction(policy: &Policy, pods: &[PodObservation], history: &History) -> Option<MonoTime> {
    let events = play(policy, pods, history);
    events.iter().find(|event| evictions(event).next().is_some()).map(|event| event.now)
}

/// Only looks and the passing of time.
fn looks() -> impl Strategy<Value = History> {
    history().prop_map(|mut history| {
        history.retain(|(_, step)| !matches!(step, Step::Outcome { .. }));
        history
    })
}

fn raised(threshold: &Threshold, by: i64) -> Threshold {
    let quantity = threshold.quantity(1000).saturating_add(by);
    let value = ThresholdValue::Quantity(Quantity::new(quantity, Format::DecimalSi));
    Threshold { value, ..*threshold }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn raising_a_threshold_never_makes_eviction_later(
        policy in policy(), pods in vec(pod(), 0..8), history in looks(),
        which in any::<prop::sample::Index>(), by in 0_i64..200,
    ) {
        let mut higher = policy.clone();
        let threshold = which.get(&policy.thresholds);
        higher.thresholds[which.index(policy.thresholds.len())] = raised(threshold, by);
        let before = first_eviction(&policy, &pods, &history);
        let after = first_eviction(&higher, &pods, &history);
        if let Some(before) = before {
            prop_assert!(after.is_some_and(|after| after <= before), "{:?} to {:?}", before, after);
        }
    }

    #[test]
    fn more_room_never_evicts_sooner_or_more(
        policy in policy(), pods in vec(pod(), 0..8), history in looks(), more in 0_i64..200,
    ) {
        let mut roomy = history.clone();
        for (_, step) in &mut roomy {
            if let Step::Look { available, .. } = step {
                *available = available.map(|seen| seen.map(|seen| seen + more));
            }
        }
        let before = first_eviction(&policy, &pods, &history);
        let after = first_eviction(&policy, &pods, &roomy);
        if let Some(after) = after {
            prop_assert!(before.is_some_and(|before| before <= after), "{:?} to {:?}", before, after);
        }
        let count = |history| {
            let events = play(&policy, &pods, history);
            usize::from(events.iter().any(|event| evictions(event).next().is_some()))
        };
        prop_assert!(count(&roomy) <= count(&history));
    }
}
