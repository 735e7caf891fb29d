//! Carrying out an eviction, or only saying that it would have been.

use std::time::Duration;

use evictd_core::{Eviction, EvictionId, LimitEviction, Outcome, PodRef, Resource};

use super::{
    EmptiedWatch, KillError, Killed, LargeProcesses, kill, kill::verify, terminate::terminate,
};
use crate::{
    config::Mode,
    pods::{Pod, PodIndex},
};

/// The least priority of a critical pod (K-7).
const CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// One of the two ways to read the evaluator's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpreter {
    /// Kills.
    Enforce,
    /// Touches nothing.
    Observe,
}

/// Whom to evict, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Number of the eviction.
    pub id: EvictionId,
    /// Whom.
    pub pod: PodRef,
    /// The pod is asked to end before it is killed this much later; zero kills at once.
    pub grace: Duration,
    /// Its memory is what is wanted back.
    pub reap: bool,
    /// The API server is asked to have it ended: nothing is killed here.
    pub ask: bool,
}

impl From<&Eviction> for Order {
    fn from(e: &Eviction) -> Self {
        Self {
            id: e.id,
            pod: e.pod.clone(),
            grace: if e.hard { Duration::ZERO } else { e.grace },
            reap: e.signal.resource() == Resource::Memory,
            ask: false,
        }
    }
}

impl From<&LimitEviction> for Order {
    /// P-5: as hard as a hard threshold.
    fn from(e: &LimitEviction) -> Self {
        Self { id: e.id, pod: e.pod.clone(), grace: Duration::ZERO, reap: false, ask: false }
    }
}

/// What came of an eviction. Making one allocates nothing.
#[derive(Debug)]
pub struct Evicted {
    /// For the evaluator.
    pub outcome: Outcome,
    /// When and how the kill was issued, if it was.
    pub killed: Option<Killed>,
    /// Why it was not, or not completely.
    pub error: Option<KillError>,
    /// To see the victim's cgroup empty, if it was killed.
    pub emptied: Option<EmptiedWatch>,
    /// Killed processes whose memory is worth giving back early.
    pub large: Option<LargeProcesses>,
}

impl From<Mode> for Interpreter {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self::Enforce,
            Mode::Observe => Self::Observe,
        }
    }
}

impl Interpreter {
    /// Carries out `order`. One with a grace period is only begun: the caller orders again, without,
    /// when that is over.
    pub fn evict(self, order: &Order, index: &PodIndex) -> Evicted {
        let id = order.id;
        match self {
            Self::Observe => Evicted {
                outcome: Outcome::Observed { id },
                killed: None,
                error: None,
                emptied: None,
                large: None,
            },
            Self::Enforce => match enforce(order, index) {
                Ok((killed, emptied, large)) => Evicted {
                    outcome: if order.ask { Outcome::Asked { id } } else { Outcome::Killed { id } },
                    killed,
                    error: None,
                    emptied: Some(emptied),
                    large,
                },
                Err(error) => Evicted {
                    outcome: Outcome::Refused { id, reason: error.reason() },
                    killed: None,
                    error: Some(error),
                    emptied: None,
                    large: None,
                },
            },
        }
    }
}

/// How the kill was issued, if it was, and how to follow the pod's end.
type Done = (Option<Killed>, EmptiedWatch, Option<LargeProcesses>);

fn enforce(order: &Order, index: &PodIndex) -> Result<Done, KillError> {
    let pod = index.by_uid(&order.pod.uid).ok_or(KillError::UnknownPod)?;
    if is_exempt(pod) {
        return Err(KillError::Protected);
    }
    // Opened before: once the pod is dead, its cgroup may be removed at any moment.
    let emptied = pod.cgroup().map(EmptiedWatch::new);
    let (killed, large) = if order.ask {
        verify(pod, &order.pod, index.tree())?;
        (None, None)
    } else if order.grace.is_zero() {
        let (killed, large) = kill(pod, &order.pod, index.tree(), order.reap)?;
        (Some(killed), large)
    } else {
        (Some(terminate(pod, &order.pod, index.tree())?), None)
    };
    emptied.map(|emptied| (killed, emptied, large)).ok_or(KillError::UnknownPod)
}

/// Asked again here, so that a mistake in a decision cannot take the node down.
pub(crate) fn is_exempt(pod: &Pod) -> bool {
    let facts = pod.facts();
    facts.is_static || facts.protected || facts.priority >= CRITICAL_PRIORITY
}
