//! The order in which pods and thresholds are listed is of no account.

use std::collections::BTreeSet;

use evictd_core::{PodObservation, Semantics};
use proptest::{collection::vec, prelude::*};

use crate::{
    arbitrary::{history, pod, policy},
    cases,
    play::play,
};

/// Each pod with a UID of its own, and the same in another order.
fn pods_in_two_orders() -> impl Strategy<Value = (Vec<PodObservation>, Vec<PodObservation>)> {
    vec(pod(), 0..8).prop_flat_map(|mut pods| {
        let mut seen = BTreeSet::new();
        pods.retain(|pod| seen.insert(pod.facts.id.uid.clone()));
        (Just(pods.clone()), Just(pods).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(cases())]

    /// In strict semantics. The kubelet leaves pods that it cannot tell apart as they are listed.
    #[test]
    fn the_order_of_pods_changes_nothing(
        policy in policy(), (pods, shuffled) in pods_in_two_orders(), history in history(),
    ) {
        let mut policy = policy;
        policy.semantics = Semantics::Strict;
        prop_assert_eq!(play(&policy, &pods, &history), play(&policy, &shuffled, &history));
    }

    #[test]
    fn the_order_of_thresholds_changes_nothing(
        (policy, shuffled) in policy().prop_flat_map(|policy| {
            let thresholds = Just(policy.thresholds.clone()).prop_shuffle();
            (Just(policy), thresholds)
        }),
        pods in vec(pod(), 0..8),
        history in history(),
    ) {
        let mut other = policy.clone();
        other.thresholds = shuffled;
        prop_assert_eq!(play(&policy, &pods, &history), play(&other, &pods, &history));
    }
}
