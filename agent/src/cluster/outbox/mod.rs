//! What the cluster is told of an eviction, after the kill: the pod's status, and an event.
//!
//! The daemon puts a [`Notice`]; it never waits. From there it goes two ways at once: to a thread that
//! keeps it on disk ([`StateDirectory`]), so that a later evictd tells what this one could not, and to the
//! [`Worker`] beside the other parts that talk to the API server, which tries until the answer ends it
//! ([`next`]) and then has the file removed. Both an entry's patch and the name of its event are the same
//! at every try, so that a try too many changes nothing.

mod answer;
mod entry;
mod keeper;
mod notice;
mod queue;
mod request;
mod send;
mod state_directory;
mod told;
mod worker;

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::SystemTime,
};

use tokio::sync::mpsc;
use tracing::warn;

pub use answer::{Answer, Next, Outcome, Waits, next};
pub use entry::{Entry, Key, Matter};
pub use notice::Notice;
pub use queue::{Limits, Queue};
pub use state_directory::StateDirectory;
pub use told::{Depth, Told};
pub use worker::Worker;

use keeper::{Keeper, Order};
use told::Gauge;

/// Where the outbox keeps its entries, below the state directory.
const DIRECTORY: &str = "outbox";
/// Notices that may wait for the worker.
const NOTICES: usize = 256;
/// Records that may wait for the daemon.
const TOLD: usize = 1024;

/// What the daemon puts.
#[derive(Debug)]
enum Put {
    /// A new eviction.
    Eviction(Arc<Notice>),
    /// Of one that was told before, the status.
    StatusAgain(Arc<Notice>),
}

/// The daemon's end.
#[derive(Debug)]
pub struct Outbox {
    keeper: Keeper,
    notices: mpsc::Sender<Put>,
    told: Receiver<Told>,
    gauge: Arc<Gauge>,
    unfinished: Vec<Arc<Notice>>,
}

impl Outbox {
    /// Reads what an earlier evictd left in the state directory, and starts to keep it. The worker is to
    /// be run where the API server is talked to. A directory that cannot be used is warned of, and what
    /// is put stays in memory.
    ///
    /// # Errors
    /// As starting a thread.
    pub fn open(state: &Path) -> io::Result<(Self, Worker)> {
        let (keeper, left) = Keeper::start(&state.join(DIRECTORY))?;
        let (notices, receiver) = mpsc::channel(NOTICES);
        let (sender, told) = sync_channel(TOLD);
        let gauge = Arc::new(Gauge::default());
        let statuses = left.iter().filter(|entry| entry.matter == Matter::Status);
        let unfinished = statuses.map(|entry| entry.notice.clone()).collect();
        let worker = Worker::new(left, receiver, keeper.orders().clone(), sender, gauge.clone());
        Ok((Self { keeper, notices, told, gauge, unfinished }, worker))
    }

    /// Has an eviction told. Neither waits nor fails: what there is no room for is told of in the log.
    pub fn put(&self, notice: Notice) {
        let notice = Arc::new(notice);
        let Notice { namespace, pod, .. } = &*notice;
        // To the disk first: the worker may be done before the order is written.
        let kept = self.keeper.orders().try_send(Order::Keep(notice.clone()));
        match (self.notices.try_send(Put::Eviction(notice.clone())), kept) {
            (Ok(()), Ok(())) => {}
            (Ok(()), Err(_)) => warn!("{namespace}/{pod}: its eviction is in memory alone"),
            (Err(_), Ok(())) => {
                warn!("{namespace}/{pod}: its eviction will be told by the next start of evictd");
            }
            (Err(_), Err(_)) => {
                self.gauge.drop_one();
                warn!("{namespace}/{pod}: its eviction is not told: the outbox is full");
            }
        }
    }

    /// Has the status of a pod told once more, which somebody has told otherwise since. It is not kept on disk.
    pub fn put_status_again(&self, notice: Arc<Notice>) {
        if let Err(full) = self.notices.try_send(Put::StatusAgain(notice)) {
            let (Put::StatusAgain(notice) | Put::Eviction(notice)) = full.into_inner();
            let Notice { namespace, pod, .. } = &*notice;
            warn!("{namespace}/{pod}: its status is not told again: the outbox is full");
        }
    }

    /// What has become of entries since it was last asked.
    pub fn told(&self) -> impl Iterator<Item = Told> {
        self.told.try_iter()
    }

    /// Evictions of an earlier evictd whose status the API server did not have, once.
    pub fn take_unfinished(&mut self) -> Vec<Arc<Notice>> {
        std::mem::take(&mut self.unfinished)
    }

    /// How much is still to be told.
    pub fn depth(&self) -> Depth {
        self.gauge.depth(SystemTime::now())
    }
}
