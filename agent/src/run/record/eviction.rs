//! A decision, and what came of it.

use std::sync::Arc;

use serde::Serialize;

use super::{PodName, WokenBy};
use crate::{
    rank::Place,
    run::{filler::Filler, reclaim::ReclaimEnd},
};

/// See [`super::Record::Eviction`]. Times are nanoseconds of CLOCK_MONOTONIC.
#[derive(Debug, Serialize)]
pub struct Eviction {
    /// Number since start.
    pub id: u64,
    /// `observe` or `enforce`.
    pub mode: &'static str,
    /// The signal; for a pod over a limit of its own the name that is counted under (O-11).
    pub signal: &'static str,
    /// True for a hard threshold and for a limit.
    pub hard: bool,
    /// Whom.
    #[serde(flatten)]
    pub name: PodName,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Inode of the pod's cgroup.
    pub cgroup_inode: u64,
    /// `threshold`: that was crossed. `log-writer`: it would have been, see `container`. `limit`: one of
    /// the pod's own.
    pub reason: &'static str,
    /// The container that wrote its log too fast.
    pub container: Option<Arc<str>>,
    /// How fast.
    pub log_bytes_per_second: Option<u64>,
    /// How long the disk would have lasted at that rate; `null` where the threshold was crossed.
    pub time_to_threshold_ms: Option<u64>,
    /// What was left; of a limit, so below zero by how much it was exceeded.
    pub available: i64,
    /// The threshold or limit.
    pub quantity: i64,
    /// How fast the signal was used up when it was decided, in its unit per second.
    pub fill_rate_per_second: u64,
    /// What the pod is expected to give back.
    pub expected_release: u64,
    /// Why the node was looked at.
    pub woken_by: WokenBy,
    /// When the kernel wrote the record that woke evictd.
    pub event_ns: Option<u64>,
    /// When the signal was sampled.
    pub observed_ns: u64,
    /// When it was decided.
    pub decided_ns: u64,
    /// When the kill had been issued.
    pub kill_issued_ns: Option<u64>,
    /// `cgroup.kill`, `sweep`, or `SIGTERM` where a grace period comes first.
    pub method: Option<&'static str>,
    /// The grace period in milliseconds; 0 for hard thresholds.
    pub grace_ms: u64,
    /// `killed`, `observed`, `gone`, `reused` or `failed`.
    pub outcome: &'static str,
    /// What exactly went wrong.
    pub detail: Option<String>,
    /// The kubelet's text.
    pub message: String,
    /// Who fills the disk, where that is no pod.
    pub filled_by: Option<Filler>,
    /// How it ended that the node was to free something first; `null` where it was not asked to.
    pub node_reclaim: Option<ReclaimEnd>,
    /// The first places of the ranking, and the victim's; none for a limit, which ranks nobody.
    pub rank: Vec<Place>,
}

/// See [`super::Record::KilledAgain`].
#[derive(Debug, Serialize)]
pub struct KilledAgain {
    /// Whom.
    #[serde(flatten)]
    pub name: PodName,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// How often by now, the eviction itself not counted.
    pub kills: u32,
    /// As [`Eviction::method`].
    pub method: Option<&'static str>,
    /// As [`Eviction::outcome`].
    pub outcome: &'static str,
    /// What exactly went wrong.
    pub detail: Option<String>,
}
