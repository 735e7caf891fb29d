//! Takes the node to what is wanted, again and again.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::Node, jiff::Timestamp};
use kube::{
    Api, Client,
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
use crate::{clock::now, cluster::backoff::Backoff};

/// How often others may write the node between reading it and writing its taints.
const CONFLICTS: usize = 8;

/// Own conditions and taints are taken off within this, or stay for the next start.
const WITHDRAWAL: Duration = Duration::from_secs(5);

/// After a failure it is tried again this much later at first, then ever later.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// The cluster's end of a [`NodeReporter`](super::NodeReporter).
pub struct NodeWorker {
    client: Client,
    node: Arc<str>,
    wanted: watch::Receiver<Wanted>,
    occasions: mpsc::Receiver<Occasion>,
}

impl NodeWorker {
    pub(super) const fn new(
        client: Client,
        node: Arc<str>,
        wanted: watch::Receiver<Wanted>,
        occasions: mpsc::Receiver<Occasion>,
    ) -> Self {
        Self { client, node, wanted, occasions }
    }

    /// Runs until the reporter is gone and, for [5 s](WITHDRAWAL) at most, until what evictd wrote is
    /// taken off again. While nothing is to be reported, nothing is asked either.
    pub async fn run(self) {
        let Self { client, node, wanted, occasions } = self;
        let mut keeper = Keeper {
            nodes: Api::all(client.clone()),
            node: node.clone(),
            touched: false,
            complaint: String::new(),
        };
        // An Event that hangs must not hold up a taint, nor the end.
        tokio::select! {
            () = keeper.keep(wanted) => {}
            () = async {
                write_events(client, node, occasions).await;
                std::future::pending().await
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
    node: Arc<str>,
    /// Something of evictd's may be on the node.
    touched: bool,
    /// What went wrong last, told once.
    complaint: String,
}

impl Keeper {
    async fn keep(&mut self, mut wanted: watch::Receiver<Wanted>) {
        let mut failures = 0;
        loop {
            let current = *wanted.borrow_and_update();
            let step = self.step(&current, &mut failures);
            // What is wanted now makes what was wanted before needless, also in the middle of it.
            let next = tokio::select! {
                biased;
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
        let params = PatchParams::default();
        for _ in 0..CONFLICTS {
            let node = self.nodes.get(&self.node).await.map_err(|e| Failed::of("get nodes", e))?;
            let plan = plan(desired, &node, Timestamp::now());
            let taints = match plan.taints.map(Patch::Merge) {
                Some(patch) => match self.nodes.patch(&self.node, &params, &patch).await {
                    Err(kube::Error::Api(status)) if status.is_conflict() => continue,
                    written => written.map(drop).map_err(|e| Failed::of("patch nodes", e)),
                },
                None => Ok(()),
            };
            if let Some(patch) = plan.status.map(Patch::Strategic) {
                let written = self.nodes.patch_status(&self.node, &params, &patch).await;
                written.map_err(|e| Failed::of("patch nodes/status", e))?;
            }
            return taints;
        }
        Err(Failed::Contended)
    }

    /// Says what went wrong, once, and that it is well again.
    fn judge(&mut self, failed: Option<Failed>) {
        let complaint = failed.map(|failed| failed.to_string()).unwrap_or_default();
        if complaint == self.complaint {
            return;
        }
        if complaint.is_empty() {
            info!("conditions and taints of node {} are written again", self.node);
        } else {
            warn!(
                "conditions or taints of node {} are not as they should be: {complaint}",
                self.node
            );
        }
        self.complaint = complaint;
    }
}

/// Why the node is not as it should be.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("cannot {tried}: {problem}")]
    Asked { tried: &'static str, problem: String },
    #[error("others wrote the node each of {CONFLICTS} times that its taints were to be written")]
    Contended,
    #[error("no answer within {WITHDRAWAL:?}; the next evictd here takes them off")]
    Late,
}

impl Failed {
    fn of(tried: &'static str, error: kube::Error) -> Self {
        let problem = match error {
            // It names who may not do what.
            kube::Error::Api(status) => status.message,
            other => other.to_string(),
        };
        Self::Asked { tried, problem }
    }
}
