//! One reading of everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Account, NodeState, PodDisk};
use crate::probe::{Family, Standing};

/// The node, and the counters of everybody on it, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// CLOCK_MONOTONIC when the counters were read, nanoseconds.
    pub at_ns: u64,
    /// Who read them.
    pub source: Source,
    /// The node's signals.
    pub node: NodeState,
    /// The probes that count; a family that is not there counts nothing.
    pub probes: Vec<ProbeState>,
    /// What the kernel has counted, by cgroup id. A cgroup that is absent has done nothing yet, if its
    /// family is [complete](ProbeState::is_complete).
    pub counts: BTreeMap<u64, Count>,
    /// Who is on the node. Counts of cgroups that are nobody's are of [`Others`](super::Owner::Others).
    pub accounts: Vec<Account>,
    /// What pods hold on disk; none where nobody ranks them.
    #[serde(default)]
    pub disks: Vec<PodDisk>,
    /// Bytes of blocks taken less given back by files without a known owner; `None` where blocks are not
    /// counted.
    #[serde(default)]
    pub unowned_grown: Option<i64>,
}

/// Who read the counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A running evictd.
    Agent {
        /// Its process.
        pid: u32,
        /// Its version.
        version: String,
        /// `observe` or `enforce`.
        mode: String,
    },
    /// `evictd top`, with probes of its own.
    OwnProbes {
        /// Where thresholds and pods come from, in words.
        configuration: String,
    },
}

/// How one family of probes stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeState {
    /// Its name.
    pub family: String,
    /// The rung in use; `null` if there is none.
    pub rung: Option<String>,
    /// Why better rungs, or any, cannot be used.
    pub refused: Vec<String>,
    /// Keys that found no room in the kernel's map.
    pub lost: u64,
}

/// What a cgroup (not those below it) has done since the probes were loaded. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Bytes written to files.
    pub written: Option<u64>,
    /// Tasks created.
    pub forks: Option<u64>,
    /// Bytes of blocks taken less given back, on nodefs and imagefs.
    pub grown: Option<i64>,
}

impl ProbeState {
    /// Of a family that was loaded. A rung that counts nothing is none here.
    pub fn of(standing: &Standing, lost: u64) -> Self {
        let refused = standing.refused.iter().map(|r| format!("{}: {}", r.rung, r.reason));
        let uncounted = standing.rung.filter(|_| !standing.is_counted());
        let uncounted = uncounted.map(|rung| format!("{rung}: counts nothing"));
        Self {
            family: standing.family.name().to_owned(),
            rung: standing.rung.filter(|_| standing.is_counted()).map(str::to_owned),
            refused: refused.chain(uncounted).collect(),
            lost,
        }
    }

    /// Of a family that cannot be had.
    pub fn none(family: Family, why: &str) -> Self {
        let (family, refused) = (family.name().to_owned(), vec![why.to_owned()]);
        Self { family, rung: None, refused, lost: 0 }
    }

    /// Whether it counts everybody: what has no count has done nothing.
    pub const fn is_complete(&self) -> bool {
        self.rung.is_some() && self.lost == 0
    }
}

impl Reading {
    /// How a family stands.
    pub fn probe(&self, family: Family) -> Option<&ProbeState> {
        self.probes.iter().find(|probe| probe.family == family.name())
    }

    /// What a cgroup has done: zero without a count, where everybody is counted.
    pub fn count(&self, cgroup_id: u64) -> Count {
        let known = self.counts.get(&cgroup_id).copied().unwrap_or_default();
        let complete = |family| self.probe(family).is_some_and(ProbeState::is_complete);
        Count {
            written: known.written.or(complete(Family::Writes).then_some(0)),
            forks: known.forks.or(complete(Family::Tasks).then_some(0)),
            grown: known.grown.or(complete(Family::Space).then_some(0)),
        }
    }
}
