//! What is shown: rates, worked out of two readings.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::state::{MemoryEvents, NodeState, Owner, PodDisk, ProbeState, Source};

/// One object of `--json`, one picture of the screen. `null` is unknown, never zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// CLOCK_MONOTONIC at its end, nanoseconds.
    pub at_ns: u64,
    /// What the rates are formed over.
    pub interval_seconds: f64,
    /// Who read the counters.
    pub source: Source,
    /// The node's signals and thresholds.
    pub node: NodeState,
    /// The probes that count.
    pub probes: Vec<ProbeState>,
    /// What cannot be told, and why.
    pub missing: Vec<Missing>,
    /// Everybody.
    pub rows: Vec<Row>,
    /// What pods hold on disk, as a running evictd ranks them.
    pub disks: Vec<PodDisk>,
    /// By how much files without a known owner take more of the disk; below zero when they give back.
    pub unowned_growth_bytes_per_second: Option<i64>,
    /// Seconds until signals meet a threshold, as the header shows them: see [`Soon`](super::soon::Soon).
    #[serde(skip)]
    pub soon: BTreeMap<String, f64>,
}

/// Figures that are unknown for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Names of the figures.
    pub columns: Vec<&'static str>,
    /// Why.
    pub reason: String,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Who.
    #[serde(flatten)]
    pub owner: Owner,
    /// Bytes that it writes to files itself.
    pub write_bytes_per_second: Option<u64>,
    /// Bytes that the runtime writes into its log for it.
    pub log_bytes_per_second: Option<u64>,
    /// By how much it takes more of the disk; below zero when it gives back.
    pub growth_bytes_per_second: Option<i64>,
    /// Threads.
    pub tasks: Option<u64>,
    /// Processes.
    pub processes: Option<u64>,
    /// Tasks created.
    pub forks_per_second: Option<f64>,
    /// In use and not easily given back.
    pub memory_working_set: Option<u64>,
    /// What was requested.
    pub memory_request: Option<u64>,
    /// The cgroup's limit.
    pub memory_limit: Option<u64>,
    /// What memory limits did to it since its cgroup was made.
    pub memory_events: Option<MemoryEvents>,
    /// How many of these are new since the last reading.
    pub memory_events_new: Option<u64>,
}

impl Row {
    /// Files and log together; unknown if either is that should be known.
    pub fn disk_bytes_per_second(&self) -> Option<u64> {
        match self.owner {
            Owner::Container { .. } => {
                match (self.write_bytes_per_second, self.log_bytes_per_second) {
                    (None, None) => None,
                    (write, log) => Some(write.unwrap_or(0).saturating_add(log.unwrap_or(0))),
                }
            }
            Owner::Pod { .. } | Owner::Cgroup { .. } | Owner::Others => self.write_bytes_per_second,
        }
    }
}
