//! What evictd reports on stdout: one JSON object a line, so that every eviction can be explained
//! afterwards from one record.

use std::{
    collections::BTreeMap, ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path, sync::Arc,
    time::Duration,
};

use evictd_common::{OTHER_CGROUP, Record as KernelRecord};
use evictd_core::{FsLayout, LogWriterReport, MonoTime, NodeCondition, Signal};
use serde::{Serialize, Serializer};

use super::{
    disk_usage::DiskWalks,
    filler::Filler,
    log_file::NewestFile,
    names::{CgroupNames, CgroupOwner},
    pods_from::PodsFrom,
    reclaim::{NodeReclaim, ReclaimEnd},
};
use crate::{
    cluster::outbox::Told,
    pods::{Pod, PodIndex},
    probe::Refused,
    rank::Place,
    sample::MemoryEventKind,
    state::UsageBy,
};

/// Why the evaluator looked at the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WokenBy {
    /// A budget was used up.
    Tripwire,
    /// The kernel began to reclaim memory.
    Reclaim,
    /// `memory.events` of some cgroup changed.
    MemoryEvent,
    /// Memory could have reached a threshold by now, or a timer of the evaluator ran out.
    Look,
    /// A second has passed.
    Tick,
}

/// A record and when it was made.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Nanoseconds of CLOCK_MONOTONIC.
    pub mono_ns: u64,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The daemon watches from now on.
    Started(Box<Started>),
    /// A decision, and what came of it.
    Eviction(Box<Eviction>),
    /// The victim has no task left.
    Emptied {
        /// Number of the eviction.
        id: u64,
    },
    /// The victim's grace period is over and it was still there.
    GraceOver {
        /// Number of the eviction.
        id: u64,
        /// What came of the kill, as in [`Eviction::outcome`].
        outcome: &'static str,
    },
    /// What the API server said to a soft eviction that it was asked for.
    EvictionAnswer {
        /// Number of the eviction.
        id: u64,
        /// `accepted`: the kubelet ends the pod. `disruption-budget`: one stands against it.
        /// `unanswered`: it could not be asked, or gave no answer that helps. `gone`: there is no such pod.
        outcome: &'static str,
        /// How often it was asked.
        attempts: u32,
        /// After a refusal: the pod is not asked for again before that.
        retry_after_ms: Option<u64>,
        /// What it said.
        detail: Option<String>,
    },
    /// What has become of telling the API server of an eviction.
    Told(Box<Told>),
    /// An evicted pod, of which the API server may not know yet, had processes again and was killed again.
    KilledAgain(Box<KilledAgain>),
    /// What the victim held has come back, or will not be waited for any longer.
    Released {
        /// Number of the eviction.
        id: u64,
        /// What is left of the signal now.
        available: i64,
        /// False if the deadline passed first.
        seen: bool,
    },
    /// A node condition changed.
    Condition {
        /// Which.
        #[serde(serialize_with = "display")]
        condition: NodeCondition,
        /// Its new status.
        status: bool,
    },
    /// A threshold is met, and no pod may be evicted for it.
    UnableToEvict {
        /// The signal.
        #[serde(serialize_with = "display")]
        signal: Signal,
    },
    /// The API server tells the pods, or does not any longer.
    Pods(PodsFrom),
    /// The configuration was read again.
    Config {
        /// Whether it is in force.
        outcome: ConfigOutcome,
        /// What changed; for one that was refused the place and what is wrong there.
        detail: String,
    },
    /// A container writes its log so fast that a disk threshold would be met.
    LogWriter(Box<LogWriter>),
    /// The node freed, or was asked to free, what nobody needs.
    NodeReclaim(Box<NodeReclaim>),
    /// The container runtime can be reached, or cannot.
    Runtime {
        /// Whether it can be reached.
        reached: bool,
        /// Who answers, or why nobody does.
        detail: String,
    },
    /// Where images and writable layers lie, as the runtime says; told again when it changes.
    RuntimeFilesystems {
        /// A path on imagefs.
        images: String,
        /// A path on containerfs.
        containers: String,
        /// What follows for this node.
        layout: FsLayout,
    },
    /// A disk is on its way to a threshold, and who takes most of it is no pod.
    DiskFiller(Box<Filler>),
    /// The kernel's OOM killer came first.
    OomVictim(OomVictim),
    /// What a memory limit did to a cgroup.
    MemoryEvent(MemoryEvent),
    /// A probe family does not hear of every cgroup any longer.
    ProbeDegraded {
        /// Which.
        family: &'static str,
        /// What it lacks.
        reason: String,
    },
    /// The daemon has ended.
    Stopped(Box<Stopped>),
}

/// See [`Record::KilledAgain`].
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

/// See [`Record::Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigOutcome {
    /// It is in force.
    Applied,
    /// The last good one stays in force.
    Refused,
}

/// A pod as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PodName {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub pod: Arc<str>,
}

/// See [`Record::Started`].
#[derive(Debug, Serialize)]
pub struct Started {
    /// evictd's version.
    pub version: &'static str,
    /// The kernel's release.
    pub kernel: String,
    /// `observe` or `enforce`.
    pub mode: &'static str,
    /// `v2`, `hybrid` or `v1`.
    pub cgroup: &'static str,
    /// Number of pods.
    pub pods: usize,
    /// Where they come from.
    pub pods_from: PodsFrom,
    /// Probe family to the rung in use.
    pub rungs: BTreeMap<&'static str, RungInUse>,
    /// nodefs now.
    pub nodefs: Filesystem,
    /// The filesystem of container logs now, where it is watched beside nodefs.
    pub logfs: Option<Filesystem>,
    /// Kernel memory of the BPF maps, bytes; `null` if unknown.
    pub map_bytes: Option<u64>,
    /// Pods that they have room for: `maxPods`, the pods there are, or 110, whichever is most.
    pub map_pods: u32,
    /// Possible CPUs, each with counters of its own in them.
    pub map_cpus: u32,
}

/// The rung of one family.
#[derive(Debug, Serialize)]
pub struct RungInUse {
    /// `null` if none can be used.
    pub rung: Option<&'static str>,
    /// Better rungs and why they were refused.
    pub refused: Vec<Refused>,
}

/// See [`Started::nodefs`].
#[derive(Debug, Serialize)]
pub struct Filesystem {
    /// A path on it.
    pub path: String,
    /// Bytes available; `null` if unknown.
    pub available: Option<i64>,
    /// Bytes in all; `null` if unknown.
    pub capacity: Option<i64>,
    /// What pods hold on it goes by `space`, blocks counted by the kernel, or by what was `written`.
    pub usage_by: UsageBy,
}

/// See [`Record::Eviction`]. Times are nanoseconds of CLOCK_MONOTONIC.
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

/// See [`Record::LogWriter`].
#[derive(Debug, Serialize)]
pub struct LogWriter {
    /// The pod.
    #[serde(flatten)]
    pub name: PodName,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// The container.
    pub container: Arc<str>,
    /// The file it writes to.
    pub file: Option<NewestFile>,
    /// How fast.
    pub rate_bytes_per_second: u64,
    /// When the threshold will be met at that rate, or at that of all `writers` together.
    pub crosses_in_ms: u64,
    /// The signal.
    #[serde(serialize_with = "display")]
    pub signal: Signal,
    /// Writers for which that takes longer are not told of.
    pub horizon_ms: u64,
    /// 1: this container alone would meet the threshold in that time. More: so many together, of which
    /// it is the largest.
    pub writers: usize,
    /// `report` or `evict`.
    pub action: &'static str,
    /// Who fills the disk faster than any pod, where that is no pod.
    pub filled_by: Option<Filler>,
}

impl LogWriter {
    /// A report with the names that people know.
    pub fn new(report: &LogWriterReport, horizon: Duration, index: &PodIndex) -> Self {
        let pod = index.by_uid(&report.pod.uid);
        let name = match pod.map(Pod::facts) {
            Some(facts) => PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() },
            None => PodName { namespace: "".into(), pod: report.pod.uid.clone() },
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let directory = |root: &Path| NewestFile(root.join(&*report.container));
        Self {
            name,
            uid: report.pod.uid.clone(),
            container: report.container.clone(),
            file: pod.map(|pod| directory(OsStr::from_bytes(pod.logs_root().to_bytes()).as_ref())),
            rate_bytes_per_second: report.rate,
            crosses_in_ms: millis(report.crosses_in),
            signal: report.signal,
            horizon_ms: millis(horizon),
            writers: report.writers,
            action: report.action.name(),
            filled_by: None,
        }
    }
}

/// See [`Record::OomVictim`].
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

/// See [`Record::MemoryEvent`].
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

/// See [`Record::Stopped`].
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

fn display<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_flat_json() {
        let record = Record::OomVictim(OomVictim {
            cgroup_id: 7,
            pid: 9,
            comm: "a\u{1b}[2J".into(),
            pod: Some(PodName { namespace: "ns".into(), pod: "p".into() }),
            container: Some("c".into()),
        });
        let json = serde_json::to_string(&Line { mono_ns: 1, record }).unwrap();
        assert_eq!(
            json,
            r#"{"mono_ns":1,"record":"oom_victim","cgroup_id":7,"pid":9,"comm":"a\u001b[2J","namespace":"ns","pod":"p","container":"c"}"#
        );
        let record = Record::MemoryEvent(MemoryEvent {
            kind: MemoryEventKind::OomKill,
            count: 2,
            cgroup_id: 7,
            pod: None,
            container: None,
            event_ns: None,
        });
        let json = serde_json::to_string(&Line { mono_ns: 1, record }).unwrap();
        assert_eq!(
            json,
            r#"{"mono_ns":1,"record":"memory_event","kind":"oom_kill","count":2,"cgroup_id":7,"container":null,"event_ns":null}"#
        );
        let condition = Record::Condition { condition: NodeCondition::DiskPressure, status: true };
        let json = serde_json::to_string(&Line { mono_ns: 2, record: condition }).unwrap();
        assert_eq!(
            json,
            r#"{"mono_ns":2,"record":"condition","condition":"DiskPressure","status":true}"#
        );
        let config =
            Record::Config { outcome: ConfigOutcome::Refused, detail: "c.yaml:1:1".into() };
        let json = serde_json::to_string(&Line { mono_ns: 3, record: config }).unwrap();
        assert_eq!(
            json,
            r#"{"mono_ns":3,"record":"config","outcome":"refused","detail":"c.yaml:1:1"}"#
        );
    }
}
