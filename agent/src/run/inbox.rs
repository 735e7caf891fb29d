//! Sorts the records of one wake-up: what to look at, and what to tell.

use std::collections::BTreeMap;

use evictd_common::{Kind, Record};

use super::record::WokenBy;

/// Why the evaluator is about to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The reason.
    pub by: WokenBy,
    /// `ktime` of the first record with that reason.
    pub event_ns: Option<u64>,
}

impl Wake {
    /// A wake-up that no record caused.
    pub const fn by_clock(by: WokenBy) -> Self {
        Self { by, event_ns: None }
    }
}

/// The records of one wake-up.
#[derive(Debug, Default)]
pub struct Inbox {
    /// The most urgent reason to look.
    pub wake: Option<Wake>,
    /// Victims of the OOM killer.
    pub oom_victims: Vec<Record>,
    /// A cgroup came or went: pods are to be joined anew before anything else.
    pub cgroups_changed: bool,
    /// When cgroups were made, in nanoseconds of CLOCK_MONOTONIC.
    pub made_cgroups: Vec<u64>,
    /// cgroups that are gone.
    pub removed_cgroups: Vec<u64>,
    /// cgroups whose `memory.events` changed, and when first.
    pub memory_events: BTreeMap<u64, u64>,
}

impl Inbox {
    /// Takes one record.
    pub fn take(&mut self, record: Record) {
        match record.kind() {
            Some(Kind::Tripwire) => self.wake(WokenBy::Tripwire, record.ktime),
            Some(Kind::Reclaim) => self.wake(WokenBy::Reclaim, record.ktime),
            Some(Kind::MemoryEvent) => {
                self.memory_events.entry(record.cgroup_id).or_insert(record.ktime);
                self.wake(WokenBy::MemoryEvent, record.ktime);
            }
            Some(Kind::OomVictim) => self.oom_victims.push(record),
            Some(Kind::CgroupMkdir) => {
                self.cgroups_changed = true;
                self.made_cgroups.push(record.ktime);
            }
            Some(Kind::CgroupRmdir) => {
                self.cgroups_changed = true;
                self.removed_cgroups.push(record.cgroup_id);
            }
            // A newer kernel object than this binary cannot be loaded, so there is none.
            None => {}
        }
    }

    /// `WokenBy` is ordered by urgency; of two records with the same reason the first counts.
    fn wake(&mut self, by: WokenBy, ktime: u64) {
        if self.wake.is_none_or(|wake| by < wake.by) {
            self.wake = Some(Wake { by, event_ns: Some(ktime) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, ktime: u64) -> Record {
        Record { ktime, cgroup_id: 5, kind, detail: 0, pid: 1, reserved: 0, comm: [0; 16] }
    }

    #[test]
    fn the_most_urgent_and_earliest_record_wakes() {
        let mut inbox = Inbox::default();
        for (kind, ktime) in [(4, 1), (2, 2), (1, 3), (1, 4), (6, 5), (3, 6), (5, 7), (99, 8)] {
            inbox.take(record(kind, ktime));
        }
        assert_eq!(inbox.wake, Some(Wake { by: WokenBy::Tripwire, event_ns: Some(3) }));
        assert_eq!(inbox.oom_victims.len(), 1);
        assert_eq!((inbox.removed_cgroups, inbox.made_cgroups), (vec![5], vec![1]));
        assert_eq!(inbox.memory_events, BTreeMap::from([(5, 5)]));
        assert!(inbox.cgroups_changed, "told beside whatever else wakes");
    }

    #[test]
    fn a_victim_or_a_new_cgroup_alone_wakes_nobody() {
        for kind in [3, 4, 5] {
            let mut inbox = Inbox::default();
            inbox.take(record(kind, 1));
            assert_eq!(inbox.wake, None);
            assert_eq!(inbox.cgroups_changed, kind != 3);
        }
    }
}
