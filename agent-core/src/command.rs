//! What the evaluator wants done, and what came of it.

use std::time::Duration;

use crate::{Format, MonoTime, NodeCondition, PodRef, Signal};

/// Number of an eviction, counted from 1 since start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvictionId(pub u64);

/// The decision to evict one pod. Holds numbers and shared strings only: making one allocates
/// nothing; text is rendered after the kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// Number of this eviction.
    pub id: EvictionId,
    /// Whom.
    pub pod: PodRef,
    /// The signal that crossed its threshold.
    pub signal: Signal,
    /// True for a hard threshold: no grace.
    pub hard: bool,
    /// Grace given to the pod (zero for hard, K-2 for soft).
    pub grace: Duration,
    /// What was left when it was decided, in the signal's unit.
    pub available: i64,
    /// The threshold, in the signal's unit, without minimum reclaim (O-2).
    pub quantity: i64,
    /// The suffix family the threshold is printed with.
    pub quantity_format: Format,
    /// When the sample that crossed was taken.
    pub observed_at: MonoTime,
    /// When it was decided.
    pub decided_at: MonoTime,
    /// What the pod is expected to give back, in the signal's unit.
    pub expected_release: u64,
}

/// Something the shell should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Evict one pod.
    Evict(Eviction),
    /// A node condition changed.
    SetCondition {
        /// Which.
        condition: NodeCondition,
        /// Its new status.
        status: bool,
    },
    /// What an eviction freed has arrived (or its deadline passed): the next one may follow.
    Released {
        /// The eviction.
        id: EvictionId,
        /// What is left now, in the signal's unit.
        available: i64,
        /// False when the deadline passed before the release was seen.
        seen: bool,
    },
    /// A threshold is met and grace has elapsed, but every pod is protected (L-22).
    UnableToEvict {
        /// The signal.
        signal: Signal,
    },
}

/// Why a kill was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// The cgroup is gone: there is nothing left to kill.
    Gone,
    /// The pod UID now belongs to a cgroup with another inode.
    Reused,
    /// The kernel refused; see the log record.
    Failed,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kill was issued.
    Killed {
        /// The eviction.
        id: EvictionId,
    },
    /// Observe mode: nothing was touched; the release is to be simulated.
    Observed {
        /// The eviction.
        id: EvictionId,
    },
    /// Nothing was killed.
    Refused {
        /// The eviction.
        id: EvictionId,
        /// Why.
        reason: RefusedReason,
    },
    /// The victim's cgroup has no task left.
    Emptied {
        /// The eviction.
        id: EvictionId,
    },
}
