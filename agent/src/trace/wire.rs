//! A line of a trace as it is written.

use std::sync::Arc;

use evictd_core::{
    Command, LogWrites, MonoTime, NodeSignals, Outcome, PodFacts, PodStats, PodUsage, Policy,
    Signal, Summary,
};
use serde::{Deserialize, Serialize};

/// Every line but the first. Tagged from outside, so that an error is told with its exact column.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A pod's manifest, before the first observation that refers to it.
    Pod {
        /// Counted from 0. A pod whose facts change gets a new number.
        number: usize,
        facts: Arc<PodFacts>,
    },
    Observation(SeenNode),
    Outcome(At<Outcome>),
    Timeout {
        now: MonoTime,
    },
    Policy {
        now: MonoTime,
        policy: Box<Policy>,
    },
    Command(At<Command>),
    /// So many entries are missing here: they could not be written as fast as they came.
    Missing {
        entries: u64,
    },
    /// The recording ended as it should.
    End {
        now: MonoTime,
    },
}

/// Something with its time.
#[derive(Serialize, Deserialize)]
pub(super) struct At<T> {
    pub(super) now: MonoTime,
    #[serde(flatten)]
    pub(super) what: T,
}

/// An observation.
#[derive(Serialize, Deserialize)]
pub(super) struct SeenNode {
    pub(super) now: MonoTime,
    pub(super) signals: NodeSignals,
    pub(super) usage_for: Option<Signal>,
    pub(super) summary: Summary,
    pub(super) pods: Vec<SeenPod>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) log_writes: Vec<LogWrites>,
}

/// A pod of an observation.
#[derive(Serialize, Deserialize)]
pub(super) struct SeenPod {
    /// [`Line::Pod::number`]
    pub(super) pod: usize,
    pub(super) usage: PodUsage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<Arc<PodStats>>,
}
