//! What became of the pods that were picked, so that none is picked in vain.

use crate::{Bar, EvictionId, MonoTime, PodObservation, PodRef};

/// How things stand with a pod that was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its release is waited for.
    InFlight,
    /// Observe mode: it would have been evicted over a limit of its own.
    Simulated,
    /// Its cgroup was gone.
    Gone,
    /// Its UID belonged to another cgroup.
    Reused,
    /// The kill failed; not again before that time.
    Failed {
        /// End of the back-off.
        until: MonoTime,
    },
    /// It was asked for in vain; not again before that time, unless it can be had without asking.
    Declined {
        /// Why.
        bar: Bar,
        /// End of the back-off.
        until: MonoTime,
    },
    /// Its release was seen or its deadline passed.
    Ended {
        /// Its cgroup had no task left.
        emptied: bool,
        /// Not again before that time when nobody knows whether it has tasks again.
        until: MonoTime,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    id: EvictionId,
    pod: PodRef,
    standing: Standing,
}

/// The pods picked so far that are still listed. A pod is the same only with the same UID *and*
/// cgroup inode: a pod that shows up with another inode starts anew.
#[derive(Debug)]
pub(super) struct Ledger(Vec<Entry>);

impl Ledger {
    /// Room for this many picked pods that are still listed; more are taken at the cost of an
    /// allocation.
    const CAPACITY: usize = 256;

    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(Self::CAPACITY))
    }

    /// Enters the pod or changes its standing.
    pub(super) fn set(&mut self, id: EvictionId, pod: &PodRef, standing: Standing) {
        match self.0.iter_mut().find(|entry| entry.pod == *pod) {
            Some(entry) => {
                entry.id = id;
                entry.standing = standing;
            }
            None => self.0.push(Entry { id, pod: pod.clone(), standing }),
        }
    }

    /// Changes the standing of the pod that was picked last under that number.
    pub(super) fn amend(&mut self, id: EvictionId, standing: Standing) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.id == id) {
            entry.standing = standing;
        }
    }

    /// A pod whose wait has ended turns out to be empty after all.
    pub(super) fn note_emptied(&mut self, id: EvictionId) {
        let entry = self.0.iter_mut().find(|entry| entry.id == id);
        if let Some(Entry { standing: Standing::Ended { emptied, .. }, .. }) = entry {
            *emptied = true;
        }
    }

    /// Drops a pod.
    pub(super) fn forget(&mut self, pod: &PodRef) {
        self.0.retain(|entry| entry.pod != *pod);
    }

    /// Drops pods that are not listed any more, except those under way.
    pub(super) fn forget_absent(&mut self, pods: &[PodObservation]) {
        self.0.retain(|entry| {
            entry.standing == Standing::InFlight || pods.iter().any(|pod| pod.facts.id == entry.pod)
        });
    }

    /// What keeps this pod from being picked again.
    pub(super) fn bar(&self, pod: &PodObservation, now: MonoTime) -> Option<Bar> {
        let entry = self.0.iter().find(|entry| entry.pod == pod.facts.id)?;
        match entry.standing {
            Standing::InFlight => Some(Bar::InFlight),
            Standing::Simulated => Some(Bar::Simulated),
            Standing::Gone => Some(Bar::Gone),
            Standing::Reused => Some(Bar::Reused),
            Standing::Failed { until } => (now < until).then_some(Bar::BackingOff),
            Standing::Declined { bar, until } => (now < until).then_some(bar),
            Standing::Ended { emptied, until } => {
                let is_empty = match pod.usage.tasks {
                    Some(tasks) => tasks == 0,
                    None => emptied && now < until,
                };
                is_empty.then_some(Bar::Emptied)
            }
        }
    }

    /// When the next back-off after `now` ends.
    pub(super) fn next_retry(&self, now: MonoTime) -> Option<MonoTime> {
        let ends = self.0.iter().filter_map(|entry| match entry.standing {
            Standing::Failed { until } | Standing::Declined { until, .. } => Some(until),
            Standing::InFlight
            | Standing::Simulated
            | Standing::Gone
            | Standing::Reused
            | Standing::Ended { .. } => None,
        });
        ends.filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{PodFacts, PodUsage, Qos};

    fn pod(cgroup_inode: u64, tasks: Option<u64>) -> PodObservation {
        let facts = PodFacts {
            id: PodRef { uid: "uid".into(), cgroup_inode },
            namespace: "default".into(),
            name: "pod".into(),
            priority: 0,
            is_static: false,
            protected: false,
            qos: Qos::BestEffort,
            memory_request: 0,
            ephemeral_storage_request: 0,
            termination_grace_seconds: None,
            spec: None,
        };
        let usage = PodUsage { tasks, ..PodUsage::default() };
        PodObservation { facts: Arc::new(facts), usage, stats: None }
    }

    #[test]
    fn standing_bars_the_pod_as_long_as_picking_it_is_in_vain() {
        let until = MonoTime::from_nanos(100);
        let ended = |emptied| Standing::Ended { emptied, until };
        let declined = Standing::Declined { bar: Bar::Disruption, until };
        let cases = [
            ("in flight", Standing::InFlight, Some(5), 999, Some(Bar::InFlight)),
            ("observed", Standing::Simulated, Some(5), 999, Some(Bar::Simulated)),
            ("gone", Standing::Gone, None, 999, Some(Bar::Gone)),
            ("reused", Standing::Reused, None, 999, Some(Bar::Reused)),
            ("backing off", Standing::Failed { until }, None, 99, Some(Bar::BackingOff)),
            ("back-off over", Standing::Failed { until }, None, 100, None),
            ("declined", declined, None, 99, Some(Bar::Disruption)),
            ("declined long ago", declined, None, 100, None),
            ("known to be empty", ended(false), Some(0), 999, Some(Bar::Emptied)),
            ("started again", ended(true), Some(1), 0, None),
            ("emptied, tasks unknown", ended(true), None, 99, Some(Bar::Emptied)),
            ("emptied, tasks unknown for long", ended(true), None, 100, None),
            ("never emptied, tasks unknown", ended(false), None, 0, None),
        ];
        for (name, standing, tasks, now, bar) in cases {
            let pod = pod(1, tasks);
            let mut ledger = Ledger::new();
            ledger.set(EvictionId(1), &pod.facts.id, standing);
            assert_eq!(ledger.bar(&pod, MonoTime::from_nanos(now)), bar, "{name}");
        }
    }

    #[test]
    fn a_pod_is_known_by_uid_and_inode() {
        let mut ledger = Ledger::new();
        ledger.set(EvictionId(1), &pod(1, None).facts.id, Standing::Gone);
        assert_eq!(ledger.bar(&pod(2, None), MonoTime::default()), None);
    }

    #[test]
    fn a_cgroup_that_empties_late_is_taken_note_of() {
        let pod = pod(1, None);
        let until = MonoTime::from_nanos(100);
        let mut ledger = Ledger::new();
        ledger.set(EvictionId(1), &pod.facts.id, Standing::Ended { emptied: false, until });
        ledger.note_emptied(EvictionId(1));
        assert_eq!(ledger.bar(&pod, MonoTime::default()), Some(Bar::Emptied));
    }

    #[test]
    fn absent_pods_are_forgotten_unless_under_way() {
        for (standing, bar) in [(Standing::Gone, None), (Standing::InFlight, Some(Bar::InFlight))] {
            let pod = pod(1, None);
            let mut ledger = Ledger::new();
            ledger.set(EvictionId(1), &pod.facts.id, standing);
            ledger.forget_absent(&[]);
            assert_eq!(ledger.bar(&pod, MonoTime::default()), bar);
        }
    }
}
