//! The thread that talks to the API server.

use std::{collections::BTreeMap, io, thread::JoinHandle, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tracing::error;

use super::{ClusterArgs, Connection};

/// How long the parts have to put the cluster in order when evictd ends.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// A name lookup that hangs is not waited for.
const LAST_LOOKUPS: Duration = Duration::from_millis(100);

/// One part of the work: a name for the log, and what makes its future, on the thread and within its
/// runtime. It is to end soon after [`Stop::requested`]; what it has not done five seconds later is not done.
pub struct Part {
    name: &'static str,
    start: Start,
}

type Start = Box<dyn FnOnce(Connection, Stop) -> BoxFuture<'static, ()> + Send>;

impl Part {
    /// A part that runs as `start` says.
    pub fn new<F>(
        name: &'static str,
        start: impl FnOnce(Connection, Stop) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { name, start: Box::new(move |connection, stop| Box::pin(start(connection, stop))) }
    }
}

/// Tells the parts that evictd ends.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until evictd is to end.
    pub async fn requested(&mut self) {
        // A sender that is gone has nobody left to work for.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// True once evictd is to end.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// A stop, and what requests it: for a part that runs on a runtime of its own, such as a test's.
    pub fn channel() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }
}

/// The running thread. Dropping it lets the parts end, and waits for that.
#[derive(Debug)]
pub struct Cluster {
    connection: Connection,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Starts the thread, and on it every part.
    ///
    /// # Errors
    /// [`ConnectError::NodeName`](super::ConnectError::NodeName), or a thread or runtime that the system
    /// does not give. That the API server cannot be asked is none: parts try again.
    pub fn start(args: &ClusterArgs, parts: Vec<Part>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = {
            let _within = runtime.enter();
            Connection::open(args)?
        };
        let (sender, stop) = Stop::channel();
        let connected = connection.clone();
        let thread = std::thread::Builder::new().name("evictd-api".to_owned()).spawn(move || {
            runtime.block_on(run(connection, stop, parts));
            runtime.shutdown_timeout(LAST_LOOKUPS);
        });
        let thread =
            Some(thread.map_err(|e| io::Error::new(e.kind(), format!("evictd-api: {e}")))?);
        Ok(Self { connection: connected, stop: sender, thread })
    }

    /// What the parts ask through; its client works on the thread only.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic has been reported.
            let _ = thread.join();
        }
    }
}

async fn run(connection: Connection, mut stop: Stop, parts: Vec<Part>) {
    let (mut running, mut names) = (JoinSet::new(), BTreeMap::new());
    for Part { name, start } in parts {
        let handle = running.spawn(start(connection.clone(), stop.clone()));
        names.insert(handle.id(), name);
    }
    let mut all_ended = std::pin::pin!(async {
        while let Some(ended) = running.join_next().await {
            if let Err(failed) = ended {
                let name = names.get(&failed.id()).copied().unwrap_or_default();
                error!("{name}: evictd goes on without this part: {failed}");
            }
        }
    });
    tokio::select! {
        () = stop.requested() => {}
        () = &mut all_ended => return,
    }
    // What is left undone is dropped with the runtime.
    let _ = timeout(LAST_CALLS, all_ended).await;
}
