//! Evictions whose release is still to be seen: one a resource, and nothing else is evicted for that
//! resource meanwhile.

use std::time::Duration;

use super::limits::CLEANUP_DEADLINE;
use crate::{
    Eviction, EvictionId, EvictionReason, MonoTime, NodeSignals, PodRef, Policy, Resource,
    Semantics, Signal, SignalObservation, Threshold,
};

/// The shell has an answer of the API server by then, or gives one in its place.
const ANSWERED: Duration = Duration::from_secs(30);

/// An eviction that was commanded and has not yet been seen to free anything.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: EvictionId,
    pub(super) pod: PodRef,
    pub(super) signal: Signal,
    pub(super) threshold: Threshold,
    pub(super) expected_release: u64,
    /// What was left when it was decided.
    available: i64,
    observed_at: MonoTime,
    /// What was left when last seen.
    pub(super) last_available: i64,
    /// The kill was issued.
    pub(super) killed: bool,
    /// When the cgroup was found without tasks.
    pub(super) emptied_at: Option<MonoTime>,
    pub(super) grace_ends: MonoTime,
    pub(super) deadline: MonoTime,
    grace: Duration,
    /// How long its release is waited for once its grace period is over.
    release: Duration,
    /// The API server was asked for it: the kubelet ends the pod, not this node's evictd.
    delegated: bool,
    /// The pod's end alone is waited for, whatever it freed: in kubelet semantics (L-2, E-33), and where
    /// no threshold was met that could be clear again.
    cleanup_only: bool,
}

impl Pending {
    /// `seen`: the sample it was decided on.
    pub(super) fn new(
        e: &Eviction,
        threshold: Threshold,
        seen: SignalObservation,
        policy: &Policy,
    ) -> Self {
        let grace_ends = e.decided_at.after(e.grace);
        let cleanup_only =
            policy.semantics == Semantics::Kubelet || e.reason != EvictionReason::Threshold;
        let release = if cleanup_only {
            CLEANUP_DEADLINE
        } else {
            policy.release_deadlines.of(e.signal.resource())
        };
        Self {
            id: e.id,
            pod: e.pod.clone(),
            signal: e.signal,
            threshold,
            expected_release: e.expected_release,
            available: seen.available,
            observed_at: e.observed_at,
            last_available: seen.available,
            killed: false,
            emptied_at: None,
            grace_ends,
            deadline: grace_ends.after(release),
            grace: e.grace,
            release,
            delegated: false,
            cleanup_only,
        }
    }

    /// The API server is being asked.
    pub(super) fn delegate(&mut self, now: MonoTime) {
        self.delegated = true;
        self.deadline =
            self.deadline.max(now.after(ANSWERED).after(self.grace).after(self.release));
    }

    /// The API server has accepted: now the pod's grace period begins.
    pub(super) fn accepted(&mut self, now: MonoTime) {
        self.delegated = true;
        self.killed = true;
        self.grace_ends = now.after(self.grace);
        self.deadline = self.grace_ends.after(self.release);
    }

    /// True while the pod has not been killed by force: its grace period is not over, or its end is
    /// left to others.
    pub(super) fn is_graceful(&self, now: MonoTime) -> bool {
        self.emptied_at.is_none() && (self.delegated || now < self.grace_ends)
    }

    /// True when `seen` shows that what was to be released has been.
    ///
    /// Memory and tasks are back once the cgroup is empty, so the first sample after that is right.
    /// Disk space follows the kill by seconds: half of what was expected has to be back, or the
    /// threshold with its minimum reclaim be clear. Where nothing was known to expect, only the
    /// latter counts.
    fn is_seen_in(&self, seen: SignalObservation) -> bool {
        let sampled_after = |time: MonoTime| seen.at.is_none_or(|at| at > time);
        match self.signal.resource() {
            Resource::Memory | Resource::Pids => self.emptied_at.is_some_and(sampled_after),
            Resource::EphemeralStorage | Resource::Inodes => {
                let risen = i128::from(seen.available) - i128::from(self.available);
                let expected = i128::from(self.expected_release);
                let enough = expected > 0 && 2 * risen >= expected;
                self.killed
                    && sampled_after(self.observed_at)
                    && (enough || !self.threshold.is_unresolved(seen))
            }
        }
    }

    /// How it ended, if it has: `true` when the release was seen, `false` when the deadline passed.
    pub(super) fn ended(&self, signals: &NodeSignals, now: MonoTime) -> Option<bool> {
        let is_seen = if self.cleanup_only {
            self.emptied_at.is_some()
        } else {
            let seen = signals.get(self.signal);
            seen.is_some_and(|seen| self.is_seen_in(seen))
        };
        if is_seen { Some(true) } else { self.is_overdue(now).then_some(false) }
    }

    pub(super) fn is_overdue(&self, now: MonoTime) -> bool {
        now >= self.deadline
    }
}

/// The pending evictions, at most one a resource.
#[derive(Debug, Default)]
pub(super) struct InFlight([Option<Pending>; Resource::COUNT]);

impl InFlight {
    pub(super) fn open(&mut self, pending: Pending) {
        let slot = pending.signal.resource().index();
        self.0[slot] = Some(pending);
    }

    pub(super) fn get(&self, resource: Resource) -> Option<&Pending> {
        self.0[resource.index()].as_ref()
    }

    pub(super) fn by_id(&mut self, id: EvictionId) -> Option<&mut Pending> {
        self.0.iter_mut().flatten().find(|pending| pending.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.0.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pending> {
        self.0.iter_mut().flatten()
    }

    /// Takes out the pending eviction of that number.
    pub(super) fn close(&mut self, id: EvictionId) -> Option<Pending> {
        self.0.iter_mut().find(|slot| slot.as_ref().is_some_and(|p| p.id == id))?.take()
    }

    /// Takes out the first that has ended, with how.
    pub(super) fn take_ended(
        &mut self,
        ended: impl Fn(&Pending) -> Option<bool>,
    ) -> Option<(Pending, bool)> {
        self.0.iter_mut().find_map(|slot| {
            let seen = ended(slot.as_ref()?)?;
            Some((slot.take()?, seen))
        })
    }
}
