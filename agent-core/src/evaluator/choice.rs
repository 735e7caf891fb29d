//! Which threshold to act on (L-12 to L-15).

use std::{cmp::Reverse, time::Duration};

use super::{Evaluator, pending::Pending};
use crate::{
    MonoTime, NodeSignals, Quantity, Resource, Semantics, Signal, SignalObservation, Threshold,
};

/// A threshold and the sample that crossed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    pub(super) threshold: Threshold,
    pub(super) seen: SignalObservation,
}

/// The order in which due thresholds are served: smaller first. Where the signal and hardness are the
/// same, the one that asks for more goes first, so that the order of the list plays no part.
///
/// The kubelet serves memory first and leaves the rest open (L-15); taking the order of
/// [`Signal::ALL`] and hard before soft is one of its possible outcomes. Strict semantics serve every
/// hard threshold before any soft one (E-2).
fn precedence(threshold: &Threshold, seen: SignalObservation, semantics: Semantics) -> Precedence {
    let soft = !threshold.is_hard();
    let signal = threshold.signal.index();
    let order = match semantics {
        Semantics::Strict => (soft, signal, false),
        Semantics::Kubelet => (false, signal, soft),
    };
    let quantity = threshold.value.quantity(seen.capacity);
    let reclaim = threshold.min_reclaim.map(|value| value.quantity(seen.capacity));
    (order, Reverse(quantity), threshold.grace, Reverse(reclaim))
}

type Precedence = ((bool, usize, bool), Reverse<Quantity>, Duration, Reverse<Option<Quantity>>);

impl Evaluator {
    /// The threshold to act on: grace elapsed, sample newer than the last (L-12), signal `open`.
    pub(super) fn choose(
        &self,
        signals: &NodeSignals,
        satisfied: impl Fn(usize) -> bool,
        open: impl Fn(Signal) -> bool,
    ) -> Option<usize> {
        let due = |(i, threshold): (usize, &Threshold)| {
            let seen = signals.get(threshold.signal)?;
            let due = self.sampled.is_newer(threshold.signal, seen)
                && satisfied(i)
                && open(threshold.signal);
            due.then(|| (i, precedence(threshold, seen, self.policy.semantics)))
        };
        let due = self.policy.thresholds.iter().enumerate().filter_map(due);
        due.min_by_key(|(_, precedence)| *precedence).map(|(i, _)| i)
    }

    /// True when nothing stands against evicting for that resource: no release is waited for, or it
    /// ends with these signals. In strict semantics a resource for which nobody can be evicted gives
    /// way to the others for a while (E-4).
    pub(super) fn is_open(&self, resource: Resource, signals: &NodeSignals, now: MonoTime) -> bool {
        let waits = |pending: &Pending| pending.ended(signals, now).is_none();
        match self.policy.semantics {
            Semantics::Strict => {
                let gives_way = self.exhausted[resource.index()].is_some_and(|e| now < e.until);
                let reclaims = self.reclaiming.as_ref().is_some_and(|r| r.resource() == resource);
                let in_flight = self.in_flight.get(resource).is_some_and(waits);
                !gives_way && !reclaims && !in_flight
            }
            // L-1
            Semantics::Kubelet => {
                let cleans_up = self.over_limit.is_empty() && !self.in_flight.iter().any(waits);
                cleans_up && self.reclaiming.is_none()
            }
        }
    }

    /// The threshold of that index with the sample that crossed it.
    pub(super) fn crossing(&self, due: usize, signals: &NodeSignals) -> Option<Crossing> {
        let threshold = self.policy.thresholds[due];
        let seen = signals.get(threshold.signal)?;
        Some(Crossing { threshold, seen })
    }
}
