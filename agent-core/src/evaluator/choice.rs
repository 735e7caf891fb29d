//! Which threshold to act on, and on whom (L-12 to L-22).

use std::time::Duration;

use super::{Evaluator, Exhausted, ledger::Standing, pending::Pending};
use crate::{
    Bar, Command, Eviction, MonoTime, NodeSignals, PodFacts, PodObservation, PodRef, Resource,
    Semantics, Signal, SignalObservation, Threshold,
};

/// How long a resource for which nobody could be evicted gives way to the others.
const EXHAUSTED_RETRY: Duration = Duration::from_secs(1);

/// The order in which due thresholds are served: smaller first. Ties are broken by the position in
/// the policy.
///
/// The kubelet serves memory first and leaves the rest open (L-15); taking the order of
/// [`Signal::ALL`] and hard before soft is one of its possible outcomes. Strict semantics serve every
/// hard threshold before any soft one (E-2).
const fn precedence(threshold: &Threshold, semantics: Semantics) -> (bool, usize, bool) {
    let soft = !threshold.is_hard();
    match semantics {
        Semantics::Strict => (soft, threshold.signal.index(), false),
        Semantics::Kubelet => (false, threshold.signal.index(), soft),
    }
}

impl Evaluator {
    /// The threshold to act on: grace elapsed, sample newer than the last (L-12), signal `open`.
    pub(super) fn choose(
        &self,
        signals: &NodeSignals,
        satisfied: impl Fn(usize) -> bool,
        open: impl Fn(Signal) -> bool,
    ) -> Option<usize> {
        let due = |(i, threshold): &(usize, &Threshold)| {
            let seen = signals.get(threshold.signal);
            seen.is_some_and(|seen| self.sampled.is_newer(threshold.signal, seen))
                && satisfied(*i)
                && open(threshold.signal)
        };
        self.policy
            .thresholds
            .iter()
            .enumerate()
            .filter(due)
            .min_by_key(|(_, threshold)| precedence(threshold, self.policy.semantics))
            .map(|(i, _)| i)
    }

    /// True when nothing stands against evicting for that resource: no release is waited for, or it
    /// ends with these signals. In strict semantics a resource for which nobody can be evicted gives
    /// way to the others for a while (E-4).
    pub(super) fn is_open(&self, resource: Resource, signals: &NodeSignals, now: MonoTime) -> bool {
        let waits = |pending: &Pending| pending.ended(signals, now).is_none();
        match self.policy.semantics {
            Semantics::Strict => {
                let gives_way = self.exhausted[resource.index()].is_some_and(|e| now < e.until);
                !gives_way && !self.in_flight.get(resource).is_some_and(waits)
            }
            Semantics::Kubelet => !self.in_flight.iter().any(waits), // L-1
        }
    }

    /// Ranks the pods for the threshold and evicts the first that may be (L-19, L-21).
    pub(super) fn evict_for(
        &mut self,
        due: usize,
        signals: &NodeSignals,
        pods: &[PodObservation],
        now: MonoTime,
    ) {
        let threshold = self.policy.thresholds[due];
        let signal = threshold.signal;
        let Some(seen) = signals.get(signal) else {
            return;
        };
        let Self { ranking, ledger, simulation, policy, .. } = self;
        ranking.rank(signal, policy.semantics, policy.layout, pods, |pod| {
            Bar::of(&pod.facts)
                .or_else(|| simulation.bar(&pod.facts.id))
                .or_else(|| ledger.bar(pod, now))
        });
        let Some(place) = ranking.first_evictable() else {
            self.note_exhausted(signal, now);
            return;
        };
        let victim = Victim {
            pod: &pods[place.pod].facts.id,
            grace: self.grace_for(&threshold, &pods[place.pod].facts),
            expected_release: place.usage.unwrap_or(0),
        };
        self.exhausted[signal.resource().index()] = None;
        self.evict(&victim, threshold, seen, now);
    }

    /// Strict semantics: a soft eviction in its grace period becomes a hard one when a hard threshold
    /// of the same resource is crossed. The same pod goes, at once; the soft eviction is closed first,
    /// so that never two are in flight.
    pub(super) fn escalate(&mut self, signals: &NodeSignals, now: MonoTime) {
        if self.policy.semantics == Semantics::Kubelet {
            return;
        }
        for resource in Resource::ALL {
            let in_grace =
                |pending: &&Pending| pending.emptied_at.is_none() && now < pending.grace_ends;
            let Some(pending) = self.in_flight.get(resource).filter(in_grace) else {
                continue;
            };
            let satisfied =
                |i: usize| self.tracks[i].satisfied && self.policy.thresholds[i].is_hard();
            let due = self.choose(signals, satisfied, |signal| signal.resource() == resource);
            let Some(threshold) = due.map(|i| self.policy.thresholds[i]) else {
                continue;
            };
            let Some(seen) = signals.get(threshold.signal) else {
                continue;
            };
            let Some(soft) = self.in_flight.close(pending.id) else {
                continue;
            };
            let available = soft.last_available;
            self.commands.push_back(Command::Released { id: soft.id, available, seen: false });
            let grace = Duration::ZERO;
            let expected_release = soft.expected_release;
            let victim = Victim { pod: &soft.pod, grace, expected_release };
            self.evict(&victim, threshold, seen, now);
        }
    }

    fn evict(
        &mut self,
        victim: &Victim<'_>,
        threshold: Threshold,
        seen: SignalObservation,
        now: MonoTime,
    ) {
        let id = self.next_id();
        let eviction = Eviction {
            id,
            pod: victim.pod.clone(),
            signal: threshold.signal,
            hard: threshold.is_hard(),
            grace: victim.grace,
            available: seen.available,
            quantity: threshold.quantity(seen.capacity),
            quantity_format: threshold.value.format(),
            observed_at: seen.at.unwrap_or(now),
            decided_at: now,
            expected_release: victim.expected_release,
        };
        self.in_flight.open(Pending::new(&eviction, threshold, &self.policy.release_deadlines));
        self.ledger.set(id, victim.pod, Standing::InFlight);
        self.commands.push_back(Command::Evict(eviction));
    }

    /// Zero for hard, else the smaller of the policy's longest and the pod's own (K-2).
    fn grace_for(&self, threshold: &Threshold, pod: &PodFacts) -> Duration {
        if threshold.is_hard() {
            return Duration::ZERO;
        }
        let own = pod.termination_grace_seconds.map_or(Duration::MAX, Duration::from_secs);
        self.policy.max_pod_grace.min(own)
    }

    /// L-22, L-18: reported once until something changes, and not while a pod is merely held up.
    fn note_exhausted(&mut self, signal: Signal, now: MonoTime) {
        let exhausted = &mut self.exhausted[signal.resource().index()];
        let mut reported = exhausted.is_some_and(|before| before.reported);
        if !reported && !self.ranking.is_waiting() {
            self.commands.push_back(Command::UnableToEvict { signal });
            reported = true;
        }
        *exhausted = Some(Exhausted { until: now.after(EXHAUSTED_RETRY), reported });
    }
}

/// Whom to evict and how.
struct Victim<'a> {
    pod: &'a PodRef,
    grace: Duration,
    expected_release: u64,
}
