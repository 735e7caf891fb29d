//! What evictd reports on stdout: one JSON object a line, so that every eviction can be explained
//! afterwards from one record.

mod eviction;
mod log_writer;
mod memory;
mod started;
mod stopped;
mod woken_by;

use std::sync::Arc;

use evictd_core::{FsLayout, NodeCondition, Signal};
use serde::{Serialize, Serializer};

use super::{filler::Filler, pods_from::PodsFrom, reclaim::NodeReclaim};
use crate::cluster::outbox::Told;
pub use eviction::{Eviction, KilledAgain};
pub use log_writer::LogWriter;
pub use memory::{MemoryEvent, OomVictim};
pub use started::{Filesystem, RungInUse, Started};
pub use stopped::{Histogram, ProgramCost, Stopped};
pub use woken_by::WokenBy;

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

/// As people write it.
fn display<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::MemoryEventKind;

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
