//! What evictd ends with.

use std::collections::BTreeMap;

use serde::Serialize;

use super::WokenBy;
use crate::run::disk_usage::DiskWalks;

/// See [`super::Record::Stopped`].
#[derive(Debug, Serialize)]
pub struct Stopped {
    /// By program.
    pub programs: BTreeMap<String, ProgramCost>,
    /// Undelivered records and keys, by probe family.
    pub drops: BTreeMap<&'static str, u64>,
    /// Records evictd itself could not write out.
    pub records_dropped: u64,
    /// Kernel memory of the BPF maps, bytes; `null` if unknown.
    pub map_bytes: Option<u64>,
    /// Evictions decided.
    pub evictions: u64,
    /// Looks at the node, by reason.
    pub wakes: BTreeMap<WokenBy, u64>,
    /// Walks of a pod's directories.
    pub disk_walks: DiskWalks,
    /// From the kernel's record to the end of the evaluation it caused.
    pub decision_ns: Histogram,
    /// From a cgroup's making to its being known.
    pub known_ns: Histogram,
}

/// What the kernel measured; zero unless `--probe-stats` or kernel.bpf_stats_enabled is on.
#[derive(Debug, Serialize)]
pub struct ProgramCost {
    /// Invocations.
    pub run_count: u64,
    /// Nanoseconds in all.
    pub run_time_ns: u64,
    /// Instructions that the verifier looked at.
    pub verified_instructions: Option<u32>,
}

/// A distribution in nanoseconds.
#[derive(Debug, Default, Serialize)]
pub struct Histogram {
    /// Values.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Maximum.
    pub max: u64,
}
