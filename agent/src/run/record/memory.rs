//! What memory limits did to pods.

use std::sync::Arc;

use evictd_common::{OTHER_CGROUP, Record as KernelRecord};
use evictd_core::MonoTime;
use serde::Serialize;

use super::PodName;
use crate::{
    run::names::{CgroupNames, CgroupOwner},
    sample::MemoryEventKind,
};

/// See [`super::Record::OomVictim`].
#[derive(Debug, Serialize)]
pub struct OomVictim {
    /// cgroup v2 id, 0 if nobody can tell.
    pub cgroup_id: u64,
    /// Thread group.
    pub pid: u32,
    /// Command name; control characters are escaped by JSON.
    pub comm: String,
    /// The pod it belonged to.
    #[serde(flatten)]
    pub pod: Option<PodName>,
    /// The container of that pod.
    pub container: Option<Arc<str>>,
}

impl OomVictim {
    /// The victim that the kernel tells of. Where it tells no cgroup, it is that of the only kill among
    /// the `events` that were counted just now.
    pub fn new(victim: &KernelRecord, names: &CgroupNames, events: &[MemoryEvent]) -> Self {
        let mut kills = events.iter().filter(|event| event.kind == MemoryEventKind::OomKill);
        let only = kills.next().filter(|_| kills.next().is_none());
        let (cgroup_id, pod, container) = match (victim.cgroup_id, only) {
            (OTHER_CGROUP, Some(kill)) => {
                (kill.cgroup_id, kill.pod.clone(), kill.container.clone())
            }
            (cgroup_id, _) => {
                let owner = names.owner(cgroup_id).cloned();
                let (pod, container) = owner.map(|owner| (owner.pod, owner.container)).unzip();
                (cgroup_id, pod, container.flatten())
            }
        };
        let comm = victim.comm.split(|byte| *byte == 0).next().unwrap_or_default();
        let comm = String::from_utf8_lossy(comm).into_owned();
        Self { cgroup_id, pid: victim.pid, comm, pod, container }
    }
}

/// See [`super::Record::MemoryEvent`].
#[derive(Debug, Serialize)]
pub struct MemoryEvent {
    /// `high`, `max`, `oom` or `oom_kill`.
    pub kind: MemoryEventKind,
    /// How often since the last such record, or since evictd started.
    pub count: u64,
    /// Where; 0 for a cgroup that was gone before it was read and is not known.
    pub cgroup_id: u64,
    /// The pod it belongs to.
    #[serde(flatten)]
    pub pod: Option<PodName>,
    /// The container of that pod; `null` for the pod's own limit.
    pub container: Option<Arc<str>>,
    /// When the kernel gave notice of the first, nanoseconds of CLOCK_MONOTONIC; `null` where the count
    /// alone told.
    pub event_ns: Option<u64>,
}

impl MemoryEvent {
    /// Of that cgroup.
    pub fn new(
        cgroup_id: u64,
        owner: Option<&CgroupOwner>,
        kind: MemoryEventKind,
        count: u64,
        event_at: Option<MonoTime>,
    ) -> Self {
        Self {
            kind,
            count,
            cgroup_id,
            pod: owner.map(|owner| owner.pod.clone()),
            container: owner.and_then(|owner| owner.container.clone()),
            event_ns: event_at.map(MonoTime::as_nanos),
        }
    }
}
