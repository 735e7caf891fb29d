//! How an evaluation ended.

use std::fmt;

use crate::LayoutError;

/// Which way the last evaluation in kubelet semantics went (spec §3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// None was made yet, or the last observation came while an eviction was being cleaned up (L-1).
    #[default]
    Waiting,
    /// L-3a: no thresholds, and limits of local storage are not enforced.
    Disabled,
    /// L-3b: the disks could not be told apart.
    LayoutError(LayoutError),
    /// L-3d: no summary, so nothing changed.
    SummaryError,
    /// L-14: no threshold is left after grace periods and stale samples.
    NothingToReclaim,
    /// L-13: pods over limits of their own were evicted.
    LocalStorageEvicted,
    /// L-17: the node is to free what it holds itself; the evaluation goes on after that.
    Reclaiming,
    /// L-17: that was enough.
    ReclaimedWithoutEviction,
    /// L-18, E-14: nobody knows how to rank for this signal.
    NoRankingFunction,
    /// L-18: there is no pod at all.
    NoActivePods,
    /// L-21: a pod was evicted.
    Evicted,
    /// L-22: every pod is critical or protected.
    UnableToEvict,
}

impl Decision {
    /// The name used in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Disabled => "disabled",
            Self::LayoutError(_) => "error",
            Self::SummaryError => "summary_error",
            Self::NothingToReclaim => "nothing_to_reclaim",
            Self::LocalStorageEvicted => "local_storage_evicted",
            Self::Reclaiming => "reclaiming",
            Self::ReclaimedWithoutEviction => "reclaimed_without_eviction",
            Self::NoRankingFunction => "no_ranking_function",
            Self::NoActivePods => "no_active_pods",
            Self::Evicted => "evicted",
            Self::UnableToEvict => "unable_to_evict",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
