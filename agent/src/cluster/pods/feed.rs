//! What the API server last said of this node's pods, left where the daemon finds it without waiting.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::super::ConnectError;
use crate::pods::PodRecord;

/// Whether the API server has told the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PodsKnown {
    /// Not yet asked with an answer.
    #[default]
    NotYet,
    /// Never so far; the last reason.
    Never(ConnectError),
    /// They are as the API server has them.
    Now,
    /// They are as they were when it was last heard of; why it is not now.
    Before(ConnectError),
    /// They are as the kubelet has them; why not as the API server does.
    Kubelet(ConnectError),
    /// They are as an earlier evictd knew them last; why not as the API server does.
    Remembered(ConnectError),
}

impl PodsKnown {
    /// True once all pods of the node were told, also if the API server is away.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::NotYet | Self::Never(_))
    }

    /// `waiting`, `unknown`, `known`, `stale`, `kubelet` or `remembered`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotYet => "waiting",
            Self::Never(_) => "unknown",
            Self::Now => "known",
            Self::Before(_) => "stale",
            Self::Kubelet(_) => "kubelet",
            Self::Remembered(_) => "remembered",
        }
    }

    /// Why the API server does not tell them.
    pub const fn error(&self) -> Option<&ConnectError> {
        match self {
            Self::NotYet | Self::Now => None,
            Self::Never(error)
            | Self::Before(error)
            | Self::Kubelet(error)
            | Self::Remembered(error) => Some(error),
        }
    }
}

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct PodsTold {
    /// Counts changes of the pods.
    pub generation: u64,
    /// The pods that have not ended.
    pub records: Arc<[PodRecord]>,
    /// Whether they are the API server's, and why not.
    pub known: PodsKnown,
}

/// Where the pods are left by the API thread and found by the daemon; a clone is the same place.
#[derive(Clone, Debug, Default)]
pub struct PodFeed(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    /// The pods as an earlier evictd knew them, until they are known otherwise.
    remembered: Mutex<Option<Vec<PodRecord>>>,
    /// Held for as long as it takes to exchange or clone it.
    told: Mutex<PodsTold>,
    /// Counts changes of anything in it.
    changes: AtomicU64,
    changed: Notify,
    /// For who waits without a runtime.
    first: Condvar,
}

impl PodFeed {
    /// Counts changes of what [`Self::latest`] gives.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// What is known now; `None` if that is being changed at this moment: the daemon, which has a higher
    /// priority than who changes it, comes again later.
    pub fn latest(&self) -> Option<PodsTold> {
        match self.0.told.try_lock() {
            Ok(told) => Some(told.clone()),
            Err(TryLockError::Poisoned(told)) => Some(told.into_inner().clone()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits until the pods are known, without a runtime: for those that do not go on without.
    ///
    /// # Errors
    /// Why they are not.
    pub fn require(&self) -> Result<(), ConnectError> {
        let mut told = self.told();
        loop {
            match (&told.known, told.known.error()) {
                (PodsKnown::Now, _) => return Ok(()),
                (_, Some(error)) => return Err(error.clone()),
                (_, None) => {
                    let waited = self.0.first.wait(told);
                    told = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Waits until something has changed since the last time.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// These are the pods if the API server cannot be asked at first.
    pub(super) fn remember(&self, records: Vec<PodRecord>) {
        *self.remembered() = Some(records);
    }

    /// These are the pods.
    pub(super) fn tell(&self, records: Vec<PodRecord>) {
        self.put(self.told(), records, PodsKnown::Now);
    }

    /// These are the pods as the kubelet has them, if the API server is still `away`. True if it did not
    /// tell them before.
    pub(in crate::cluster) fn tell_instead(
        &self,
        records: Vec<PodRecord>,
        away: ConnectError,
    ) -> bool {
        let told = self.told();
        if told.known.error() != Some(&away) {
            return false;
        }
        let is_news = !matches!(told.known, PodsKnown::Kubelet(_));
        self.put(told, records, PodsKnown::Kubelet(away));
        is_news
    }

    fn put(&self, mut told: MutexGuard<'_, PodsTold>, records: Vec<PodRecord>, known: PodsKnown) {
        let records: Arc<[PodRecord]> = records.into();
        let same = told.records == records;
        if same && told.known == known {
            return;
        }
        told.known = known;
        if !same {
            told.generation += 1;
            told.records = records;
        }
        drop(told);
        self.wake();
    }

    /// The API server does not answer, or not as it should. True if that is news.
    pub(super) fn lose(&self, error: ConnectError) -> bool {
        let mut told = self.told();
        if told.known.error() == Some(&error) {
            return false;
        }
        let remembered = self.remembered().take();
        told.known = match (&told.known, remembered) {
            (PodsKnown::Remembered(_), _) => PodsKnown::Remembered(error),
            (known, _) if known.is_known() => PodsKnown::Before(error),
            (_, None) => PodsKnown::Never(error),
            (_, Some(records)) => {
                told.generation += 1;
                told.records = records.into();
                PodsKnown::Remembered(error)
            }
        };
        drop(told);
        self.wake();
        true
    }

    fn remembered(&self) -> MutexGuard<'_, Option<Vec<PodRecord>>> {
        self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, PodsTold> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.0.changes.fetch_add(1, Ordering::Release);
        self.0.changed.notify_one();
        self.0.first.notify_all();
    }
}
