//! On whom to act, and how (K-1, K-2, K-7, L-18 to L-22).

use std::time::Duration;

use super::{Evaluator, Exhausted, choice::Crossing, ledger::Standing, pending::Pending};
use crate::{
    Command, Eviction, EvictionId, EvictionReason, MonoTime, NodeSignals, PodFacts, PodObservation,
    PodRef, Resource, Semantics, Signal, SignalObservation, Threshold, rank::RankBy,
};

/// How long a resource for which nobody could be evicted gives way to the others.
const EXHAUSTED_RETRY: Duration = Duration::from_secs(1);

/// K-1.
const HARD_OVERRIDE_SECONDS: i64 = 1;

impl Evaluator {
    /// Ranks the pods for the threshold and evicts the first that may be (L-19, L-21); false when
    /// there is none. `summary`: pods carry the kubelet's statistics.
    pub(super) fn evict_for(
        &mut self,
        crossing: Crossing,
        pods: &[PodObservation],
        summary: bool,
        now: MonoTime,
    ) -> bool {
        let Crossing { threshold, seen } = crossing;
        let by = RankBy::of(&self.policy, threshold.signal, summary);
        let mut ranking = std::mem::take(&mut self.ranking);
        let hard = threshold.is_hard();
        ranking.rank(by, pods, |pod| self.bar(pod, hard, summary, now));
        self.ranking = ranking;
        let place = self.ranking.first_evictable().filter(|_| self.could_help(threshold.signal));
        let Some(place) = place else {
            self.note_exhausted(threshold.signal, now);
            return false;
        };
        let facts = &*pods[place.pod].facts;
        let victim = Victim {
            pod: &facts.id,
            grace: self.grace_for(&threshold, facts),
            override_seconds: self.override_for(&threshold, facts),
            expected_release: place.usage.unwrap_or(0),
        };
        self.exhausted[threshold.signal.resource().index()] = None;
        self.evict(&victim, threshold, seen, EvictionReason::Threshold, now);
        true
    }

    /// Strict semantics evict nobody for a filesystem on which pods hold nothing (E-25).
    fn could_help(&self, signal: Signal) -> bool {
        let on_disk = matches!(signal.resource(), Resource::EphemeralStorage | Resource::Inodes);
        let holds_something = self.policy.layout.parts(signal).any();
        self.policy.semantics == Semantics::Kubelet || !on_disk || holds_something
    }

    /// Strict semantics: a soft eviction in its grace period, or one that others carry out, becomes a
    /// hard one when a hard threshold of the same resource is crossed. The same pod goes, at once; the soft eviction is closed first,
    /// so that never two are in flight.
    pub(super) fn escalate(&mut self, signals: &NodeSignals, now: MonoTime) {
        if self.policy.semantics == Semantics::Kubelet {
            return;
        }
        for resource in Resource::ALL {
            let is_graceful = |pending: &&Pending| pending.is_graceful(now);
            let Some(pending) = self.in_flight.get(resource).filter(is_graceful) else {
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
            let victim = Victim {
                pod: &soft.pod,
                grace: Duration::ZERO,
                override_seconds: HARD_OVERRIDE_SECONDS,
                expected_release: soft.expected_release,
            };
            self.evict(&victim, threshold, seen, EvictionReason::Threshold, now);
        }
    }

    pub(super) fn evict(
        &mut self,
        victim: &Victim<'_>,
        threshold: Threshold,
        seen: SignalObservation,
        reason: EvictionReason,
        now: MonoTime,
    ) -> EvictionId {
        let id = self.next_id();
        let eviction = Eviction {
            id,
            pod: victim.pod.clone(),
            signal: threshold.signal,
            reason,
            hard: threshold.is_hard(),
            grace: victim.grace,
            grace_override_seconds: victim.override_seconds,
            available: self.shown(seen.available),
            quantity: threshold.quantity(seen.capacity),
            quantity_format: threshold.value.format(),
            threshold: threshold.value.quantity(seen.capacity),
            observed_at: seen.at.unwrap_or(now),
            decided_at: now,
            expected_release: victim.expected_release,
        };
        self.in_flight.open(Pending::new(&eviction, threshold, seen, &self.policy));
        self.ledger.set(id, victim.pod, Standing::InFlight);
        self.commands.push_back(Command::Evict(eviction));
        id
    }

    /// Zero for hard, else the smaller of the policy's longest and the pod's own (K-2).
    pub(super) fn grace_for(&self, threshold: &Threshold, pod: &PodFacts) -> Duration {
        if threshold.is_hard() {
            return Duration::ZERO;
        }
        let own = pod.termination_grace_seconds.map_or(Duration::MAX, Duration::from_secs);
        self.policy.max_pod_grace.min(own)
    }

    /// What the kubelet tells its pod worker: a second for hard (K-1), else the smaller of the policy's
    /// longest and the pod's own, whatever their signs (K-2).
    pub(super) fn override_for(&self, threshold: &Threshold, pod: &PodFacts) -> i64 {
        if threshold.is_hard() {
            return HARD_OVERRIDE_SECONDS;
        }
        let seconds = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let negative = self.policy.kubelet.negative_max_pod_grace_seconds;
        let longest = negative.unwrap_or_else(|| seconds(self.policy.max_pod_grace.as_secs()));
        let own = pod.termination_grace_seconds.map_or(i64::MAX, seconds);
        longest.min(own)
    }

    /// What is said to be available: in strict semantics never less than nothing (E-35).
    fn shown(&self, available: i64) -> i64 {
        match self.policy.semantics {
            Semantics::Strict => available.max(0),
            Semantics::Kubelet => available,
        }
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
pub(super) struct Victim<'a> {
    pub(super) pod: &'a PodRef,
    pub(super) grace: Duration,
    pub(super) override_seconds: i64,
    pub(super) expected_release: u64,
}
