//! An outbox and the thread that tells, as in evictd.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use evictd::cluster::{
    Cluster, ClusterArgs, Part,
    outbox::{Matter, Outbox, Outcome},
};

const PATIENCE: Duration = Duration::from_secs(120);

/// Dropped in order, as evictd does when it ends.
pub(crate) struct Teller {
    _cluster: Cluster,
    pub(crate) outbox: Outbox,
}

impl Teller {
    pub(crate) fn start(state: &Path, kubeconfig: &Path) -> Self {
        let (outbox, worker) = Outbox::open(state).unwrap();
        let args = ClusterArgs {
            kubeconfig: Some(kubeconfig.to_owned()),
            node_name: Some(super::NODE.to_owned()),
            ..ClusterArgs::default()
        };
        let part = Part::new("outbox", move |connection, mut stop| async move {
            worker.run(connection.client, connection.node, stop.requested()).await;
        });
        Self { _cluster: Cluster::start(&args, vec![part]).unwrap(), outbox }
    }

    /// How the next `count` entries ended.
    pub(crate) fn told(&self, count: usize) -> Vec<(Matter, Outcome)> {
        let deadline = Instant::now() + PATIENCE;
        let mut told = Vec::new();
        while told.len() < count {
            assert!(Instant::now() < deadline, "only {told:?}");
            told.extend(
                self.outbox
                    .told()
                    .inspect(|told| println!("{told:?}"))
                    .map(|t| (t.matter, t.outcome)),
            );
            thread::sleep(Duration::from_millis(5));
        }
        told
    }
}
