//! What became of the telling.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{Matter, Outcome, Queue, notice::unix_ms};

/// An entry that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// `status` of the pod, or the `event`.
    pub matter: Matter,
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub pod: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Tries, the last one included; 0 for one that was dropped.
    pub attempts: u32,
    /// From the kill to the end of it.
    pub took_ms: u64,
    /// What the API server said, where it did not take it.
    pub detail: Option<String>,
}

/// How much is still to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Entries.
    pub entries: u64,
    /// Age of the oldest.
    pub oldest: Option<Duration>,
    /// Entries that went for want of room, since start.
    pub dropped: u64,
}

/// The same as the worker leaves it.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    entries: AtomicU64,
    /// 0: there is none.
    oldest_unix_ms: AtomicU64,
    dropped: AtomicU64,
}

impl Gauge {
    pub(super) fn set(&self, queue: &Queue) {
        self.entries.store(queue.len() as u64, Ordering::Relaxed);
        self.oldest_unix_ms.store(queue.oldest_unix_ms().unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn depth(&self, now: SystemTime) -> Depth {
        let oldest = self.oldest_unix_ms.load(Ordering::Relaxed);
        let age = Duration::from_millis(unix_ms(now).saturating_sub(oldest));
        Depth {
            entries: self.entries.load(Ordering::Relaxed),
            oldest: (oldest > 0).then_some(age),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}
