//! What is told of disk usage: by what it goes, and how often directories were walked.

use evictd_core::DiskUsage;
use serde::Serialize;

use super::{ByPart, DiskCounters, DiskUsages, counted::counts_space, naming::Unnamed};
use crate::{
    pods::Pod,
    state::{PodDisk, UsageBy},
};

/// Walks of one pod's directories since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiskWalks {
    /// By the thread that walks.
    pub background: u64,
    /// On the way to a decision.
    pub deciding: u64,
}

impl DiskUsages {
    /// How often directories were walked.
    pub const fn walks(&self) -> DiskWalks {
        self.walks
    }

    /// What a pod is held to use now. Reads its counters; walks nothing.
    pub fn of(&self, pod: &Pod, counters: Option<DiskCounters<'_>>) -> PodDisk {
        let ByPart { logs, volumes } = self.usage(pod, self.now(pod, counters));
        let bytes = |usage: Option<DiskUsage>| usage.map(|usage| usage.bytes);
        let walked = self.walked.get(&pod.facts().id.uid);
        let (by, reason) = match self.why_written(pod, counters) {
            None => (UsageBy::Space, None),
            Some(reason) => (UsageBy::Written, Some(reason.to_owned())),
        };
        let facts = pod.facts();
        PodDisk {
            namespace: facts.namespace.to_string(),
            pod: facts.name.to_string(),
            uid: facts.id.uid.to_string(),
            logs: bytes(logs),
            volumes: bytes(volumes),
            by,
            reason,
            walks: walked.map_or(0, |walked| walked.walks),
        }
    }

    /// Why a pod's usage goes by bytes written; `None` where it goes by blocks.
    pub fn why_written(
        &self,
        pod: &Pod,
        counters: Option<DiskCounters<'_>>,
    ) -> Option<&'static str> {
        let counted = counters.map(|counters| counts_space(pod, counters, self.dev));
        if !counted.is_some_and(|counted| counted.logs && counted.volumes) {
            return Some("blocks are not counted on its filesystem");
        }
        match self.walked.get(&pod.facts().id.uid) {
            Some(walked) if walked.is_exact() => None,
            Some(walked) => Some(match walked.unnamed {
                Some(Unnamed::TooManyFiles) => "it has more files than are followed one by one",
                Some(Unnamed::Refused) => "the kernel's table of files took no more",
                None if walked.is_whole() => "it has not been walked for blocks yet",
                None => "its directories are too large to walk",
            }),
            None => Some("it has not been walked yet"),
        }
    }
}
