//! What the control loop tells of the node. Telling never waits.

use evictd_core::{MonoTime, NodeCondition, NodeConditions, Signal};
use tokio::sync::{mpsc, watch};

use super::{
    desired::{Reporting, Wanted},
    events::Occasion,
    worker::NodeWorker,
};

/// Occasions of Events that may wait; more are left out.
const OCCASIONS: usize = 64;

/// The control loop's end. When it is dropped, the worker takes evictd's own conditions and taints
/// off the node and ends.
pub struct NodeReporter {
    wanted: watch::Sender<Wanted>,
    occasions: mpsc::Sender<Occasion>,
}

impl NodeReporter {
    /// Both ends.
    pub fn new(reporting: Reporting) -> (Self, NodeWorker) {
        let (wanted, seen) = watch::channel(Wanted { reporting, stances: None });
        let (occasions, heard) = mpsc::channel(OCCASIONS);
        let worker = NodeWorker::new(seen, heard);
        (Self { wanted, occasions }, worker)
    }

    /// A condition has that status since `at`. May be repeated.
    pub fn set(&self, condition: NodeCondition, status: bool, at: MonoTime) {
        let new = self.wanted.send_if_modified(|wanted| wanted.set(condition, status, at));
        if new {
            self.tell(Occasion::Condition { condition, status });
        }
    }

    /// All conditions as they are known now, after a look at the node. Until the first such, nothing
    /// is written: what an evictd that is dead has left may still be right.
    pub fn confirm(&self, conditions: NodeConditions, at: MonoTime) {
        let first = self.wanted.borrow().stances.is_none();
        for condition in NodeCondition::ALL {
            self.set(condition, conditions.0[condition.index()], at);
        }
        if first {
            // Also where nothing differs from what was assumed.
            self.wanted.send_modify(|_| ());
        }
    }

    /// A threshold of the signal is acted on now.
    pub fn threshold_met(&self, signal: Signal) {
        self.tell(Occasion::ThresholdMet { resource: signal.resource() });
    }

    /// What is to be reported from now on.
    pub fn configure(&self, reporting: Reporting) {
        self.wanted.send_if_modified(|wanted| {
            let changes = wanted.reporting != reporting;
            wanted.reporting = reporting;
            changes
        });
    }

    fn tell(&self, occasion: Occasion) {
        if self.wanted.borrow().reporting.events {
            // A full queue means that the API server is away; Events are told for convenience.
            let _ = self.occasions.try_send(occasion);
        }
    }
}
