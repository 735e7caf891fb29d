//! Tells the API server, on the thread that talks to it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::{Duration, SystemTime},
};

use kube::Client;
use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::{
    Entry, Key, Limits, Matter, Next, Outcome, Put, Queue, Told, Waits,
    answer::{Answer, next},
    keeper::Order,
    queue::Pending,
    send::send,
    told::Gauge,
};
use crate::{clock::now, cluster::backoff::Backoff};

/// The longest that one try may take.
const TRY: Duration = Duration::from_secs(20);
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(30) };
/// How soon the thread that removes files is asked again when it has too much to do.
const NAG: Duration = Duration::from_secs(1);

/// The other end of an [`Outbox`](super::Outbox).
#[derive(Debug)]
pub struct Worker {
    queue: Queue,
    notices: mpsc::Receiver<Put>,
    keeper: SyncSender<Order>,
    told: SyncSender<Told>,
    gauge: Arc<Gauge>,
    /// Ended, and the keeper does not know.
    unforgotten: BTreeSet<Key>,
    /// What is wrong and has been said: matter, and HTTP status or 0.
    troubles: BTreeSet<(Matter, u16)>,
}

impl Worker {
    pub(super) fn new(
        left: Vec<Entry>,
        notices: mpsc::Receiver<Put>,
        keeper: SyncSender<Order>,
        told: SyncSender<Told>,
        gauge: Arc<Gauge>,
    ) -> Self {
        let queue = Queue::new(Limits::default());
        let (unforgotten, troubles) = (BTreeSet::new(), BTreeSet::new());
        let mut worker = Self { queue, notices, keeper, told, gauge, unforgotten, troubles };
        for entry in left {
            worker.take(entry);
        }
        worker.gauge.set(&worker.queue);
        worker
    }

    /// Tells until the outbox is gone, or until `stop`: what is due then is still tried. What is left
    /// stays on disk.
    pub async fn run(mut self, client: Client, node: Arc<str>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        loop {
            self.forget();
            self.gauge.set(&self.queue);
            let at = now();
            if let Some(due) = self.queue.due(at) {
                let entry = due.entry.clone();
                let answer = match timeout(TRY, send(&client, &entry, &node)).await {
                    Ok(answer) => answer,
                    Err(_) => Answer::Nothing(format!("no answer in {} s", TRY.as_secs())),
                };
                self.conclude(&entry, &answer);
                while let Ok(put) = self.notices.try_recv() {
                    self.take_put(put);
                }
                continue;
            }
            if stopping {
                return;
            }
            let wait = self.queue.next().map(|next| next.since(at));
            let nag = (!self.unforgotten.is_empty()).then_some(NAG);
            tokio::select! {
                put = self.notices.recv() => match put {
                    Some(put) => self.take_put(put),
                    None => stopping = true,
                },
                () = sleep(wait.into_iter().chain(nag).min()) => {}
                () = &mut stop => stopping = true,
            }
        }
    }

    fn take_put(&mut self, put: Put) {
        match put {
            Put::Eviction(notice) => {
                Entry::of(&notice).into_iter().for_each(|entry| self.take(entry));
            }
            Put::StatusAgain(notice) => self.take(Entry { matter: Matter::Status, notice }),
        }
    }

    fn take(&mut self, entry: Entry) {
        for dropped in self.queue.insert(entry) {
            self.gauge.drop_one();
            self.end(&dropped, Outcome::Dropped, dropped.failures, None);
        }
    }

    fn conclude(&mut self, entry: &Entry, answer: &Answer) {
        let (key, at) = (entry.key(), now());
        match next(entry.matter, answer) {
            Next::End(outcome) => {
                self.queue.unpause();
                self.relieved(entry.matter);
                if let Some(ended) = self.queue.remove(&key) {
                    let detail = (outcome != Outcome::Accepted).then(|| describe(answer));
                    self.end(&ended, outcome, ended.failures + 1, detail);
                }
            }
            Next::Retry { waits, at_least } => {
                let floor = at_least.unwrap_or_default();
                let wait = |failures| floor + BACKOFF.after(failures);
                match waits {
                    Waits::Alone => {
                        self.queue.unpause();
                        self.queue.retry(&key, at, wait);
                    }
                    Waits::WithAll => self.queue.pause(&key, at, wait),
                }
                self.complain(entry, answer);
            }
        }
    }

    /// An entry has ended: it goes from disk, and the daemon hears of it.
    fn end(&mut self, ended: &Pending, outcome: Outcome, attempts: u32, detail: Option<String>) {
        let (matter, notice) = (ended.entry.matter, &ended.entry.notice);
        self.unforgotten.insert(ended.entry.key());
        let told = Told {
            matter,
            namespace: notice.namespace.clone(),
            pod: notice.pod.clone(),
            uid: notice.uid.clone(),
            outcome,
            attempts,
            took_ms: u64::try_from(notice.age(SystemTime::now()).as_millis()).unwrap_or(u64::MAX),
            detail,
        };
        let Told { namespace, pod, detail, .. } = &told;
        let name = matter.name();
        match outcome {
            Outcome::Accepted | Outcome::AlreadyTold => {
                info!("{namespace}/{pod}: {name} told to the API server");
            }
            Outcome::Dropped => {
                warn!("{namespace}/{pod}: {name} is not told: the outbox is full");
            }
            Outcome::Gone | Outcome::AnotherPod | Outcome::Refused => {
                let detail = detail.as_deref().unwrap_or_default();
                warn!("{namespace}/{pod}: {name} is not told any more: {detail}");
            }
        }
        // A record that the daemon has no time for is lost; the log has it.
        let _ = self.told.try_send(told);
    }

    fn forget(&mut self) {
        while let Some(key) = self.unforgotten.pop_first() {
            match self.keeper.try_send(Order::Forget(key)) {
                Ok(()) => {}
                Err(TrySendError::Full(Order::Forget(key))) => {
                    self.unforgotten.insert(key);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Says what is wrong, once for as long as it is the same.
    fn complain(&mut self, entry: &Entry, answer: &Answer) {
        let code = match answer {
            Answer::Http { code, .. } => *code,
            Answer::Nothing(_) => 0,
        };
        if !self.troubles.insert((entry.matter, code)) {
            return;
        }
        let (permission, answer) = (entry.matter.permission(), describe(answer));
        let namespace = &entry.notice.namespace;
        let hint = match code {
            401 => "are evictd's credentials those of this cluster, and not expired?".to_owned(),
            403 => format!("the role of evictd's service account needs `{permission}`"),
            _ => "the API server is away, or busy".to_owned(),
        };
        warn!("{permission} in namespace {namespace}: {answer}; {hint}; kept and tried again");
    }

    /// A matter has got through: the next trouble with it is a new one.
    fn relieved(&mut self, matter: Matter) {
        self.troubles.retain(|(troubled, code)| *troubled != matter && *code != 0);
    }
}

fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Http { code, message, .. } => format!("{code}: {message}"),
        Answer::Nothing(problem) => problem.clone(),
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        // Never at once, so that a time in the past cannot spin.
        Some(wait) => tokio::time::sleep(wait.max(Duration::from_millis(1))).await,
        None => std::future::pending().await,
    }
}
