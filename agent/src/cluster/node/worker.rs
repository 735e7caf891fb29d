//! Takes the node to what is wanted, again and again.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Node, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    desired::{Desired, Wanted},
    events::{Occasion, write_events},
    plan::{HEARTBEAT, plan},
};
use crate::{
    clock::now,
    cluster::{Attempt, ConnectError, Connection, Stop, backoff::Backoff},
};

const GET: Attempt = Attempt { verb: "get", resource: "nodes" };
const PATCH: Attempt = Attempt { verb: "patch", resource: "nodes" };
const PATCH_STATUS: Attempt = Attempt { verb: "patch", resource: "nodes/status" };

/// How often others may write the node between reading it and writing its taints.
const CONFLICTS: usize = 8;

/// Own conditions and taints are taken off within this, or stay for the next start.
const WITHDRAWAL: Duration = Duration::from_secs(4);

/// After a failure it is tried again this much later at first, then ever later.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// The cluster's end of a [`NodeReporter`](super::NodeReporter).
pub struct NodeWorker {
    wanted: watch::Receiver<Wanted>,
    occasions: mpsc::Receiver<Occasion>,
}

impl NodeWorker {
    pub(super) const fn new(
        wanted: watch::Receiver<Wanted>,
        occasions: mpsc::Receiver<Occasion>,
    ) -> Self {
        Self { wanted, occasions }
    }

    /// Runs until it is to stop or the reporter is gone and, for [4 s](WITHDRAWAL) at most, until what
    /// evictd wrote is taken off again. While nothing is to be reported, nothing is asked either.
    pub async fn run(self, connection: Connection, stop: Stop) {
        let Self { wanted, occasions } = self;
        let mut keeper = Keeper {
            nodes: Api::all(connection.client.clone()),
            connection: connection.clone(),
            touched: false,
            complaint: String::new(),
        };
        // An Event that hangs must not hold up a taint, nor the end.
        tokio::select! {
            () = keeper.keep(wanted, stop) => {}
            () = async {
                write_events(connection, occasions).await;
                std::future::pending::<()>().await;
            } => {}
        }
    }
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Again,
    End,
}

/// Keeps the node as it is wanted.
struct Keeper {
    nodes: Api<Node>,
    connection: Connection,
    /// Something of evictd's may be on the node.
    touched: bool,
    /// What went wrong last, told once.
    complaint: String,
}

impl Keeper {
    async fn keep(&mut self, mut wanted: watch::Receiver<Wanted>, mut stop: Stop) {
        let mut failures = 0;
        loop {
            let current = *wanted.borrow_and_update();
            let step = self.step(&current, &mut failures);
            // What is wanted now makes what was wanted before needless, also in the middle of it.
            let next = tokio::select! {
                biased;
                () = stop.requested() => Next::End,
                changed = wanted.changed() => {
                    if changed.is_ok() { Next::Again } else { Next::End }
                }
                () = step => Next::Again,
            };
            if next == Next::End {
                break;
            }
        }
        if self.touched {
            let withdrawn = timeout(WITHDRAWAL, self.converge(&Desired::NOTHING)).await;
            self.judge(withdrawn.unwrap_or(Err(Failed::Late)).err());
        }
    }

    /// Takes the node to what is wanted and waits until that is to be looked at again.
    async fn step(&mut self, wanted: &Wanted, failures: &mut u32) {
        let desired = wanted.desired((now(), Timestamp::now()));
        let is_wanted = desired.is_some();
        let Some(desired) = desired.or_else(|| self.touched.then_some(Desired::NOTHING)) else {
            return std::future::pending().await;
        };
        self.touched = true;
        let result = self.converge(&desired).await;
        let pause = if result.is_ok() {
            *failures = 0;
            self.touched = is_wanted;
            HEARTBEAT
        } else {
            *failures = failures.saturating_add(1);
            BACKOFF.after(*failures)
        };
        self.judge(result.err());
        sleep(pause).await;
    }

    /// Reads the node and writes what differs. Conditions and taints are written apart, so that a
    /// missing permission for one does not cost the other.
    async fn converge(&self, desired: &Desired) -> Result<(), Failed> {
        let (name, params) = (&*self.connection.node, PatchParams::default());
        for _ in 0..CONFLICTS {
            let node = self.nodes.get(name).await.map_err(|e| self.failed(GET, &e))?;
            let plan = plan(desired, &node, Timestamp::now());
            let taints = match plan.taints.map(Patch::Merge) {
                Some(patch) => match self.nodes.patch(name, &params, &patch).await {
                    Err(kube::Error::Api(status)) if status.is_conflict() => continue,
                    written => written.map(drop).map_err(|e| self.failed(PATCH, &e)),
                },
                None => Ok(()),
            };
            if let Some(patch) = plan.status.map(Patch::Strategic) {
                let written = self.nodes.patch_status(name, &params, &patch).await;
                written.map_err(|e| self.failed(PATCH_STATUS, &e))?;
            }
            return taints;
        }
        Err(Failed::Contended)
    }

    fn failed(&self, tried: Attempt, error: &kube::Error) -> Failed {
        Failed::Asked(self.connection.explain(tried, error))
    }

    /// Says what went wrong, once, and that it is well again.
    fn judge(&mut self, failed: Option<Failed>) {
        let complaint = failed.map(|failed| failed.to_string()).unwrap_or_default();
        if complaint == self.complaint {
            return;
        }
        if complaint.is_empty() {
            info!("conditions and taints of this node are written again");
        } else {
            warn!("conditions or taints of this node are not as they should be: {complaint}");
        }
        self.complaint = complaint;
    }
}

/// Why the node is not as it should be.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Asked(ConnectError),
    #[error("others wrote the node each of {CONFLICTS} times that its taints were to be written")]
    Contended,
    #[error("no answer within {WITHDRAWAL:?}; the next evictd here takes them off")]
    Late,
}
