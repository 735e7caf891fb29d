//! What the control loop asks for, and where it hears what came of it. Neither waits.

use evictd_core::{EvictionId, Outcome};
use tokio::sync::mpsc;

use super::{Request, worker::EvictWorker};

/// Requests that may wait. The evaluator has one eviction in flight for each of four resources.
const ORDERS: usize = 64;

/// Answers that may wait for the control loop.
const ANSWERS: usize = 64;

/// What the worker is told.
#[derive(Debug)]
pub(super) enum Order {
    Ask(Request),
    /// No longer wanted: the pod was killed.
    Cancel(EvictionId),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// For the evaluator: accepted or refused.
    pub outcome: Outcome,
    /// The eviction.
    pub id: EvictionId,
    /// How often the API server was asked.
    pub attempts: u32,
    /// What it said, if it did not accept.
    pub detail: Option<String>,
}

/// The control loop's end. When it is dropped, the worker ends.
pub struct Evictor {
    orders: mpsc::Sender<Order>,
    answers: mpsc::Receiver<Answered>,
}

impl Evictor {
    /// Both ends.
    pub fn new() -> (Self, EvictWorker) {
        let (orders, asked) = mpsc::channel(ORDERS);
        let (tell, answers) = mpsc::channel(ANSWERS);
        (Self { orders, answers }, EvictWorker::new(asked, tell))
    }

    /// Asks for an eviction; false if that cannot be taken now.
    pub fn ask(&self, request: Request) -> bool {
        self.orders.try_send(Order::Ask(request)).is_ok()
    }

    /// Gives a request up. An attempt that is under way may still be heard; the pod is dead anyway.
    pub fn cancel(&self, id: EvictionId) {
        // A full queue leaves an answer that nobody waits for.
        let _ = self.orders.try_send(Order::Cancel(id));
    }

    /// Waits for the next answer; `None` once the worker is gone.
    pub async fn answered(&mut self) -> Option<Answered> {
        self.answers.recv().await
    }
}
