//! evictd's records, as it prints them: one JSON object a line.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One line of evictd's stdout. Every record has the time it was made, `mono_ns`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The probes are attached and the first observation has been made.
    Started(Started),
    /// Whether the API server tells the pods has changed.
    Pods(PodsFrom),
    /// A pod was chosen.
    Eviction(Eviction),
    /// The victim's cgroup has no task left.
    Emptied(Emptied),
    /// The victim outlived its grace period.
    GraceOver {
        /// The eviction.
        id: u64,
        /// As [`Eviction::outcome`].
        outcome: String,
    },
    /// What the API server said to a soft eviction.
    EvictionAnswer {
        /// The eviction.
        id: u64,
        /// `accepted`, `disruption-budget`, `unanswered` or `gone`.
        outcome: String,
        /// After a refusal: not asked for again before that.
        retry_after_ms: Option<u64>,
        /// In its words.
        detail: Option<String>,
    },
    /// What has become of telling the API server.
    Told(Told),
    /// An evicted pod was started again and killed again.
    KilledAgain {
        /// `metadata.uid`.
        uid: String,
        /// How often by now.
        kills: u32,
        /// As [`Eviction::outcome`].
        outcome: String,
    },
    /// What the eviction freed has arrived, or its deadline passed.
    Released(Released),
    /// A container writes its log too fast.
    LogWriter(LogWriter),
    /// A disk fills, and it is no pod that fills it.
    DiskFiller(Filler),
    /// The kernel's OOM killer took somebody.
    OomVictim(OomVictim),
    /// A memory limit did something.
    MemoryEvent(MemoryEvent),
    /// A threshold is met and nobody may be evicted.
    UnableToEvict {
        /// The signal.
        signal: String,
    },
    /// evictd ends.
    Stopped(Stopped),
    /// A node condition changed.
    Condition {
        /// When.
        mono_ns: u64,
        /// Its new status.
        status: bool,
    },
    /// The configuration was read again.
    Config {
        /// `applied` or `refused`.
        outcome: String,
        /// What changed, or what is wrong where.
        detail: String,
    },
    /// The node freed, or was asked to free, what nobody needs.
    NodeReclaim(NodeReclaim),
    /// The container runtime can be reached, or cannot.
    Runtime {
        /// Whether it can be reached.
        reached: bool,
        /// Who answers, or why nobody does.
        detail: String,
    },
    /// Whatever else may come.
    #[serde(other)]
    Other,
}

/// See [`Record::Started`].
#[derive(Clone, Debug, Deserialize)]
pub struct Started {
    /// evictd's version.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// `v2`, `hybrid` or `v1`.
    pub cgroup: String,
    /// Number of pods known by then.
    pub pods: u64,
    /// Where they come from.
    pub pods_from: PodsFrom,
    /// Kernel memory of the BPF maps.
    pub map_bytes: Option<u64>,
    /// Pods that the maps have room for.
    pub map_pods: u32,
    /// Possible CPUs, each with counters of its own in them.
    pub map_cpus: u32,
    /// Probe family to the rung in use.
    pub rungs: BTreeMap<String, Rung>,
    /// nodefs.
    pub nodefs: Filesystem,
}

/// See [`Record::Pods`].
#[derive(Clone, Debug, Deserialize)]
pub struct PodsFrom {
    /// `manifests` or `api`.
    pub source: String,
    /// Of the API: `waiting`, `unknown`, `known`, `stale`, `kubelet` or `remembered`.
    pub api: Option<String>,
    /// Pods that it names.
    pub listed: usize,
    /// Why the API server does not tell them.
    pub error: Option<String>,
}

/// A filesystem that evictd watches.
#[derive(Clone, Debug, Deserialize)]
pub struct Filesystem {
    /// What pods hold on it goes by `space` or by what was `written`.
    pub usage_by: String,
}

/// What became of one probe family's ladder.
#[derive(Clone, Debug, Deserialize)]
pub struct Rung {
    /// The rung in use; `None` when every one was refused.
    pub rung: Option<String>,
    /// The rungs refused before it.
    #[serde(default)]
    pub refused: Vec<RefusedRung>,
}

/// A rung this kernel does not allow.
#[derive(Clone, Debug, Deserialize)]
pub struct RefusedRung {
    /// Its name.
    pub rung: String,
    /// Why.
    pub reason: String,
}

/// See [`Record::Eviction`]. Times are `CLOCK_MONOTONIC` nanoseconds.
#[derive(Clone, Debug, Deserialize)]
pub struct Eviction {
    /// Number of the eviction.
    pub id: u64,
    /// The signal that crossed its threshold.
    pub signal: String,
    /// Hard threshold.
    pub hard: bool,
    /// The victim.
    pub namespace: String,
    /// The victim.
    pub pod: String,
    /// The victim.
    pub uid: String,
    /// The victim's cgroup.
    pub cgroup_inode: u64,
    /// `threshold` or `log-writer`.
    #[serde(default)]
    pub reason: String,
    /// The container that wrote its log too fast.
    #[serde(default)]
    pub container: Option<String>,
    /// What was left.
    pub available: i64,
    /// The threshold.
    pub quantity: i64,
    /// What made evictd look.
    pub woken_by: String,
    /// Kernel time of the record that woke it.
    pub event_ns: Option<u64>,
    /// When the sample was taken.
    pub observed_ns: u64,
    /// When the victim was chosen.
    pub decided_ns: u64,
    /// When the kill was issued.
    pub kill_issued_ns: Option<u64>,
    /// How it was killed.
    pub method: Option<String>,
    /// `killed`, `gone`, `reused`, `failed` or `observed`.
    pub outcome: String,
    /// More about the outcome.
    pub detail: Option<String>,
    /// The kubelet's message.
    pub message: String,
    /// Who fills the disk, if that is no pod.
    #[serde(default)]
    pub filled_by: Option<Box<Filler>>,
    /// How it ended that the node was to free something first.
    #[serde(default)]
    pub node_reclaim: Option<ReclaimEnd>,
    /// The first places of the ranking.
    pub rank: Vec<Place>,
}

/// See [`Record::NodeReclaim`].
#[derive(Clone, Debug, Deserialize)]
pub struct NodeReclaim {
    /// The signal that crossed.
    pub signal: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// How the wait for it ended.
    pub end: ReclaimEnd,
    /// What went.
    pub freed: Vec<Freed>,
    /// What went wrong.
    pub problem: Option<String>,
}

/// How the wait of an eviction for [`NodeReclaim`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReclaimEnd {
    /// With the answer.
    Done,
    /// Too late.
    Deadline,
    /// It had become too dear.
    Filling,
    /// There was none.
    NotAwaited,
    /// The runtime was at something else.
    Busy,
    /// There was no runtime.
    Unreachable,
}

/// Something that went.
#[derive(Clone, Debug, Deserialize)]
pub struct Freed {
    /// `container`, `image` or `rotated_log`.
    pub what: String,
    /// An image's name.
    #[serde(default)]
    pub name: Option<String>,
}

/// Somebody who fills a disk and is no pod.
#[derive(Clone, Debug, Deserialize)]
pub struct Filler {
    /// The disk.
    pub signal: String,
    /// Where it runs.
    pub cgroup: String,
    /// What it is.
    pub role: String,
    /// In words.
    pub message: String,
    /// How fast it takes space.
    pub bytes_per_second: u64,
}

/// A pod's place in the ranking.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// What it uses; `None` is unknown.
    pub usage: Option<u64>,
    /// Why it may not be evicted, if it may not.
    pub passed_over: Option<String>,
}

/// See [`Record::Emptied`].
#[derive(Clone, Debug, Deserialize)]
pub struct Emptied {
    /// When.
    pub mono_ns: u64,
    /// The eviction.
    pub id: u64,
}

/// See [`Record::Released`].
#[derive(Clone, Debug, Deserialize)]
pub struct Released {
    /// When.
    pub mono_ns: u64,
    /// The eviction.
    pub id: u64,
    /// What is left now.
    pub available: i64,
    /// False when the deadline passed first.
    pub seen: bool,
}

/// See [`Record::LogWriter`].
#[derive(Clone, Debug, Deserialize)]
pub struct LogWriter {
    /// When.
    pub mono_ns: u64,
    /// The pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The pod.
    pub uid: String,
    /// The container.
    pub container: String,
    /// The file it writes.
    pub file: Option<PathBuf>,
    /// How fast.
    pub rate_bytes_per_second: u64,
    /// When the disk meets a threshold.
    pub crosses_in_ms: u64,
    /// The disk.
    pub signal: String,
    /// How many writers it takes.
    pub writers: u64,
    /// `report` or `evict`.
    pub action: String,
}

/// See [`Record::OomVictim`].
#[derive(Clone, Debug, Deserialize)]
pub struct OomVictim {
    /// Process.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Its cgroup, 0 if the kernel does not tell.
    pub cgroup_id: u64,
    /// The pod, if it was a pod's.
    pub pod: Option<String>,
    /// The container of that pod.
    pub container: Option<String>,
}

/// See [`Record::MemoryEvent`].
#[derive(Clone, Debug, Deserialize)]
pub struct MemoryEvent {
    /// `high`, `max`, `oom` or `oom_kill`.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// Where, 0 if nobody can tell.
    pub cgroup_id: u64,
    /// The pod, if it was a pod's.
    pub pod: Option<String>,
    /// The container of that pod.
    pub container: Option<String>,
    /// When the kernel gave notice.
    pub event_ns: Option<u64>,
}

/// See [`Record::Told`].
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// `status` or `event`.
    pub matter: String,
    /// Name of the pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// `accepted`, or how else it ended.
    pub outcome: String,
    /// Tries.
    pub attempts: u32,
}

/// See [`Record::Stopped`].
#[derive(Clone, Debug, Deserialize)]
pub struct Stopped {
    /// Number of evictions.
    pub evictions: u64,
    /// What woke evictd, and how often.
    pub wakes: BTreeMap<String, u64>,
    /// The BPF programs and what they cost.
    pub programs: BTreeMap<String, ProgramCost>,
    /// Records and counts the probes could not store, by probe family.
    pub drops: BTreeMap<String, u64>,
    /// Walks of a pod's directories.
    pub disk_walks: DiskWalks,
    /// Kernel record to decision.
    pub decision_ns: DecisionTime,
    /// A cgroup's making to its being known.
    pub known_ns: DecisionTime,
}

/// See [`Stopped::disk_walks`].
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct DiskWalks {
    /// By the thread that walks.
    pub background: u64,
    /// On the way to a decision.
    pub deciding: u64,
}

/// What one BPF program did; zero unless evictd runs with `--probe-stats`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct ProgramCost {
    /// Runs.
    pub run_count: u64,
    /// Time in them, nanoseconds.
    pub run_time_ns: u64,
}

/// Quantiles in nanoseconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DecisionTime {
    /// Evaluations made for a kernel record.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Longest.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_kind() {
        let parse = |line: &str| serde_json::from_str::<Record>(line).unwrap();
        let eviction = r#"{"record":"eviction","mono_ns":9,"id":1,"mode":"enforce",
            "signal":"pid.available","hard":true,"namespace":"ci","pod":"runner","uid":"u",
            "cgroup_inode":7,"available":127,"quantity":128,"woken_by":"tripwire","event_ns":null,
            "observed_ns":5,"decided_ns":6,"kill_issued_ns":7,"outcome":"killed","detail":null,
            "message":"The node was low on resource: pids.","rank":[]}"#;
        assert!(
            matches!(parse(eviction), Record::Eviction(e) if e.decided_ns == 6 && e.event_ns.is_none())
        );
        let released = r#"{"record":"released","mono_ns":1,"id":1,"available":-5,"seen":true}"#;
        assert!(matches!(parse(released), Record::Released(r) if r.available == -5));
        let condition =
            r#"{"record":"condition","mono_ns":1,"condition":"PIDPressure","status":true}"#;
        assert!(matches!(parse(condition), Record::Condition { mono_ns: 1, status: true }));
        let later = r#"{"record":"of_a_later_version","mono_ns":1}"#;
        assert!(matches!(parse(later), Record::Other));
        assert!(serde_json::from_str::<Record>("not a record").is_err());
    }
}
