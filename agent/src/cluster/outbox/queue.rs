//! What is still to be told, bounded, and when.

use std::{collections::BTreeMap, time::Duration};

use evictd_core::MonoTime;

use super::{Entry, Key, Matter};

/// What an outbox may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries; an eviction has two.
    pub entries: usize,
    /// Bytes, as [`Entry::size`] counts them.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1024, bytes: 4 << 20 }
    }
}

/// An entry and what has been tried.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What.
    pub entry: Entry,
    /// Tries that failed.
    pub failures: u32,
    due: MonoTime,
}

/// The entries of the outbox.
#[derive(Debug, Default)]
pub struct Queue {
    limits: Limits,
    pending: BTreeMap<Key, Pending>,
    bytes: usize,
    /// Before that the API server takes nothing.
    paused_until: MonoTime,
    failures: u32,
}

impl Queue {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes an entry, at the price of older ones; gives those that have to go, which may be the new
    /// one. An event makes room for whatever comes, the oldest first. A status never goes for the sake
    /// of something newer: its pod may run again, and nobody else will say that it was evicted.
    pub fn insert(&mut self, entry: Entry) -> Vec<Pending> {
        let key = entry.key();
        // Of the same eviction, or of the same pod killed again: what was first stays.
        if self.pending.contains_key(&key) {
            return Vec::new();
        }
        self.bytes += entry.size();
        let pending = Pending { entry, failures: 0, due: MonoTime::default() };
        self.pending.insert(key.clone(), pending);
        let mut dropped = Vec::new();
        while self.pending.len() > self.limits.entries || self.bytes > self.limits.bytes {
            let oldest_event = self.oldest_event().unwrap_or_else(|| key.clone());
            dropped.extend(self.remove(&oldest_event));
        }
        dropped
    }

    fn oldest_event(&self) -> Option<Key> {
        let events = self.pending.iter().filter(|(key, _)| key.matter == Matter::Event);
        let oldest = events.min_by_key(|(_, pending)| pending.entry.notice.at_unix_ms);
        oldest.map(|(key, _)| key.clone())
    }

    /// Takes out an entry.
    pub fn remove(&mut self, key: &Key) -> Option<Pending> {
        let removed = self.pending.remove(key)?;
        self.bytes -= removed.entry.size();
        Some(removed)
    }

    /// What to tell now: statuses before events, of those the oldest.
    pub fn due(&self, now: MonoTime) -> Option<&Pending> {
        if now < self.paused_until {
            return None;
        }
        let due = self.pending.values().filter(|pending| pending.due <= now);
        due.min_by_key(|pending| (pending.entry.matter, pending.entry.notice.at_unix_ms))
    }

    /// When something is due next, if there is anything.
    pub fn next(&self) -> Option<MonoTime> {
        let earliest = self.pending.values().map(|pending| pending.due).min()?;
        Some(earliest.max(self.paused_until))
    }

    /// An entry was not taken: it waits `wait(failures)` from `now` on, where `failures` are its own.
    pub fn retry(&mut self, key: &Key, now: MonoTime, wait: impl FnOnce(u32) -> Duration) {
        if let Some(pending) = self.pending.get_mut(key) {
            pending.failures += 1;
            pending.due = now.after(wait(pending.failures));
        }
    }

    /// Nothing is taken now: all wait `wait(failures)`, where `failures` are those in a row.
    pub fn pause(&mut self, key: &Key, now: MonoTime, wait: impl FnOnce(u32) -> Duration) {
        self.failures += 1;
        self.paused_until = now.after(wait(self.failures));
        self.retry(key, now, |_| Duration::ZERO);
    }

    /// The API server is there.
    pub fn unpause(&mut self) {
        self.failures = 0;
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// True if there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// When the oldest was killed, in milliseconds since 1970.
    pub fn oldest_unix_ms(&self) -> Option<u64> {
        self.pending.values().map(|pending| pending.entry.notice.at_unix_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::outbox::Notice;

    fn entry(matter: Matter, n: u64) -> Entry {
        let notice = Notice {
            namespace: "n".into(),
            pod: "p".into(),
            uid: format!("u{n}").into(),
            cgroup_inode: n,
            at_unix_ms: n,
            message: String::new(),
            annotations: BTreeMap::new(),
            disruption_target: true,
        };
        Entry { matter, notice: Arc::new(notice) }
    }

    const fn at(seconds: u64) -> MonoTime {
        MonoTime::from_nanos(seconds * 1_000_000_000)
    }

    fn names(pending: &[Pending]) -> Vec<(Matter, u64)> {
        pending.iter().map(|p| (p.entry.matter, p.entry.notice.at_unix_ms)).collect()
    }

    #[test]
    fn events_make_room_and_a_status_does_not() {
        use Matter::{Event, Status};
        type Entries = &'static [(Matter, u64)];
        let cases: [(&str, Entries, Entries); 5] = [
            ("there is room", &[(Status, 1), (Event, 1)], &[]),
            (
                "an older event goes",
                &[(Event, 1), (Event, 2), (Event, 3), (Status, 4)],
                &[(Event, 1)],
            ),
            (
                "an event for an event",
                &[(Status, 1), (Status, 2), (Event, 2), (Event, 3)],
                &[(Event, 2)],
            ),
            (
                "an event among statuses",
                &[(Status, 1), (Status, 2), (Status, 3), (Event, 3)],
                &[(Event, 3)],
            ),
            (
                "only statuses",
                &[(Status, 1), (Status, 2), (Status, 3), (Status, 4)],
                &[(Status, 4)],
            ),
        ];
        for (name, put, expected) in cases {
            let mut queue = Queue::new(Limits { entries: 3, bytes: usize::MAX });
            let mut dropped = Vec::new();
            for (matter, n) in put {
                dropped.extend(queue.insert(entry(*matter, *n)));
            }
            assert_eq!(names(&dropped), expected, "{name}");
            let by_bytes = Limits { entries: usize::MAX, bytes: 3 * entry(Status, 1).size() };
            let mut queue = Queue::new(by_bytes);
            let dropped: Vec<_> =
                put.iter().flat_map(|(matter, n)| queue.insert(entry(*matter, *n))).collect();
            assert_eq!(names(&dropped), expected, "{name}, by bytes");
        }
    }

    #[test]
    fn the_same_eviction_is_told_once() {
        let mut queue = Queue::default();
        assert!(queue.insert(entry(Matter::Status, 1)).is_empty());
        assert!(queue.insert(entry(Matter::Status, 1)).is_empty());
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn the_oldest_status_is_told_first_and_the_failing_one_waits() {
        let mut queue = Queue::default();
        for (matter, n) in [(Matter::Event, 1), (Matter::Status, 3), (Matter::Status, 2)] {
            queue.insert(entry(matter, n));
        }
        let due = |queue: &Queue, now| {
            queue.due(now).map(|p| (p.entry.matter, p.entry.notice.at_unix_ms))
        };
        assert_eq!(due(&queue, at(1)), Some((Matter::Status, 2)));
        queue.retry(&entry(Matter::Status, 2).key(), at(1), |_| Duration::from_secs(5));
        assert_eq!(due(&queue, at(1)), Some((Matter::Status, 3)));
        queue.remove(&entry(Matter::Status, 3).key());
        assert_eq!(due(&queue, at(1)), Some((Matter::Event, 1)), "one does not hold up another");
        queue.pause(&entry(Matter::Event, 1).key(), at(1), |n| {
            Duration::from_secs(u64::from(n) * 2)
        });
        assert_eq!((due(&queue, at(2)), queue.next()), (None, Some(at(3))));
        assert_eq!(due(&queue, at(3)), Some((Matter::Event, 1)));
        assert_eq!(due(&queue, at(6)), Some((Matter::Status, 2)));
        assert_eq!(queue.oldest_unix_ms(), Some(1));
    }
}
