//! What the evaluator wants done, and what came of it.

use std::{sync::Arc, time::Duration};

use crate::{
    Format, LimitEviction, LogWriterReport, MonoTime, NodeCondition, NodeSignals, PodRef, Quantity,
    ReclaimStep, Signal,
};

/// Number of an eviction, counted from 1 since start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EvictionId(pub u64);

/// Why a pod is evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum EvictionReason {
    /// The signal has met its threshold.
    Threshold,
    /// The signal is about to: a container of the pod writes its log too fast.
    LogWriter {
        /// The container.
        container: Arc<str>,
        /// Bytes per second.
        rate: u64,
        /// How long the disk would last.
        crosses_in: Duration,
    },
}

impl EvictionReason {
    /// The name used in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::LogWriter { .. } => "log-writer",
        }
    }
}

/// The decision to evict one pod. Holds numbers and shared strings only: making one allocates
/// nothing; text is rendered after the kill.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Eviction {
    /// Number of this eviction.
    pub id: EvictionId,
    /// Whom.
    pub pod: PodRef,
    /// The signal that crossed its threshold, or would.
    pub signal: Signal,
    /// Which of the two.
    pub reason: EvictionReason,
    /// True for a hard threshold: no grace.
    pub hard: bool,
    /// Grace given to the pod (zero for hard, K-2 for soft).
    pub grace: Duration,
    /// The same in whole seconds as the kubelet tells its pod worker, which takes less than one for
    /// one: 1 for hard (K-1), possibly zero or less for soft (K-2, E-6).
    pub grace_override_seconds: i64,
    /// What was left when it was decided, in the signal's unit.
    pub available: i64,
    /// The threshold, in the signal's unit, without minimum reclaim (O-2).
    pub quantity: i64,
    /// The suffix family the threshold is printed with.
    pub quantity_format: Format,
    /// The threshold as the kubelet prints it, fractions included.
    pub threshold: Quantity,
    /// When the sample that crossed was taken.
    pub observed_at: MonoTime,
    /// When it was decided.
    pub decided_at: MonoTime,
    /// What the pod is expected to give back, in the signal's unit.
    pub expected_release: u64,
}

/// Something the shell should do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "command", rename_all = "snake_case"))]
pub enum Command {
    /// Evict one pod.
    Evict(Eviction),
    /// Evict one pod that is over a limit of its own local storage (P-1 to P-6).
    EvictOverLimit(LimitEviction),
    /// Free what the node itself holds needlessly before a pod is evicted for `signal`, step by step,
    /// then say so with [`Outcome::Reclaimed`] (L-17).
    Reclaim {
        /// The signal that crossed.
        signal: Signal,
        /// What to free, in this order.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::steps"))]
        steps: &'static [ReclaimStep],
    },
    /// Kubelet semantics: a threshold is acted on now; told in every evaluation that acts (L-16).
    ThresholdMet {
        /// The signal.
        signal: Signal,
    },
    /// A node condition changed.
    SetCondition {
        /// Which.
        condition: NodeCondition,
        /// Its new status.
        status: bool,
    },
    /// A container writes its log too fast. Told once an incident, and again when it has become much
    /// faster.
    ReportLogWriter(LogWriterReport),
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

/// Why an eviction was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RefusedReason {
    /// The cgroup is gone: there is nothing left to kill.
    Gone,
    /// The pod UID now belongs to a cgroup with another inode.
    Reused,
    /// The kernel refused; see the log record.
    Failed,
    /// The API server was asked, and a disruption budget stands against it.
    Disruption {
        /// Not to be asked again before that.
        retry_after: Duration,
    },
    /// The API server was asked and gave no answer that helps.
    Unanswered {
        /// Not to be asked again before that.
        retry_after: Duration,
    },
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "outcome", rename_all = "snake_case"))]
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
    /// The API server is being asked to evict the pod; [`Accepted`](Self::Accepted) or
    /// [`Refused`](Self::Refused) follows.
    Asked {
        /// The eviction.
        id: EvictionId,
    },
    /// The API server has accepted the eviction: the pod's grace period begins, the kubelet ends it.
    Accepted {
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
    /// The steps of [`Command::Reclaim`] were done, each as well as it could be.
    Reclaimed {
        /// The node's signals after it; `None` when they could not be read.
        signals: Option<Box<NodeSignals>>,
    },
}
