//! Evicting pods that are over limits of their own local storage (L-13, P-1 to P-6).

use std::time::Duration;

use super::{Evaluator, ledger::Standing};
use crate::{
    Bar, Command, EvictionId, LimitEviction, MonoTime, Observation, PodObservation, Semantics,
    StorageLimit, Summary, storage_limit::kubelet_counts_rootfs,
};

/// L-2: how long the clean-up of evicted pods is waited for.
pub(super) const CLEANUP_DEADLINE: Duration = Duration::from_secs(30);

/// Evictions over limits whose pods are not yet gone.
#[derive(Debug, Default)]
pub(super) struct OverLimit(Vec<Leaving>);

#[derive(Clone, Copy, Debug)]
struct Leaving {
    id: EvictionId,
    deadline: MonoTime,
    emptied: bool,
}

impl OverLimit {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        self.0.iter().map(|leaving| leaving.deadline).min()
    }

    pub(super) fn note_emptied(&mut self, id: EvictionId) {
        for leaving in self.0.iter_mut().filter(|leaving| leaving.id == id) {
            leaving.emptied = true;
        }
    }

    /// Takes out the one of that number; true if there is one.
    pub(super) fn close(&mut self, id: EvictionId) -> bool {
        let at = self.0.iter().position(|leaving| leaving.id == id);
        at.map(|at| self.0.swap_remove(at)).is_some()
    }

    /// Takes out one that is gone or overdue, with whether it is gone.
    pub(super) fn take_ended(&mut self, now: MonoTime) -> Option<(EvictionId, bool)> {
        let ended = |leaving: &Leaving| leaving.emptied || now >= leaving.deadline;
        let at = self.0.iter().position(ended)?;
        let leaving = self.0.swap_remove(at);
        Some((leaving.id, leaving.emptied))
    }
}

impl Evaluator {
    /// Evicts every pod that is over a limit of its own, in the order of listing; true if there was
    /// one. Thresholds then wait for the next evaluation (E-30). Pods without statistics are passed
    /// over (P-6): what of them was read and what was not plays no part for the others.
    pub(super) fn evict_over_limits(&mut self, o: &Observation, now: MonoTime) -> bool {
        if !self.policy.kubelet.local_storage_isolation {
            return false;
        }
        let summary = o.summary == Summary::Whole;
        // E-28: strict semantics count a container's writable layer wherever it lies.
        let counts_rootfs = match self.policy.semantics {
            Semantics::Strict => true,
            Semantics::Kubelet => kubelet_counts_rootfs(self.policy.layout),
        };
        let mut evicted = false;
        for pod in &o.pods {
            let (Some(stats), Some(spec)) = (&pod.stats, &pod.facts.spec) else {
                continue;
            };
            let Some(limit) = StorageLimit::exceeded(spec, stats, counts_rootfs) else {
                continue;
            };
            if self.bar(pod, true, summary, now).is_none() {
                let used = limit.held(stats);
                self.evict_over_limit(pod, limit, used, now);
                evicted = true;
            }
        }
        evicted
    }

    fn evict_over_limit(
        &mut self,
        pod: &PodObservation,
        limit: StorageLimit,
        used: i64,
        now: MonoTime,
    ) {
        let id = self.next_id();
        let pod = pod.facts.id.clone();
        self.ledger.set(id, &pod, Standing::InFlight);
        self.over_limit.0.push(Leaving {
            id,
            deadline: now.after(CLEANUP_DEADLINE),
            emptied: false,
        });
        let eviction = LimitEviction { id, pod, limit, used, decided_at: now };
        self.commands.push_back(Command::EvictOverLimit(eviction));
    }

    /// What keeps a pod from being evicted. The kubelet knows nothing of pods it has evicted already:
    /// its list of active pods, which comes with a summary, leaves out those that are gone.
    /// `hard`: the eviction asks nobody.
    pub(super) fn bar(
        &self,
        pod: &PodObservation,
        hard: bool,
        summary: bool,
        now: MonoTime,
    ) -> Option<Bar> {
        let remembers = self.policy.semantics == Semantics::Strict || !summary;
        let stands = |bar: &Bar| remembers && !(hard && bar.yields_to_hard());
        Bar::of(&pod.facts)
            .or_else(|| self.simulation.bar(&pod.facts.id))
            .or_else(|| self.ledger.bar(pod, now).filter(stands))
    }
}
