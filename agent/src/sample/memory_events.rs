//! What memory limits did to a cgroup, v1 or v2.

use serde::{Deserialize, Serialize};

use super::counter_file::{CounterFile, keyed};
use crate::pods::CgroupDirs;

/// How often each happened since the cgroup was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryEvents {
    /// Throttled above `memory.high`; `None` on cgroup v1.
    pub high: Option<u64>,
    /// Held back at the limit.
    pub max: Option<u64>,
    /// Out of memory; `None` on cgroup v1.
    pub oom: Option<u64>,
    /// Processes that the OOM killer killed.
    pub oom_kill: Option<u64>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryEventKind {
    /// See [`MemoryEvents::high`].
    High,
    /// See [`MemoryEvents::max`].
    Max,
    /// See [`MemoryEvents::oom`].
    Oom,
    /// See [`MemoryEvents::oom_kill`].
    OomKill,
}

impl MemoryEventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::High, Self::Max, Self::Oom, Self::OomKill];

    /// As in `memory.events`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Max => "max",
            Self::Oom => "oom",
            Self::OomKill => "oom_kill",
        }
    }
}

impl MemoryEvents {
    /// How often that happened.
    pub const fn get(&self, kind: MemoryEventKind) -> Option<u64> {
        match kind {
            MemoryEventKind::High => self.high,
            MemoryEventKind::Max => self.max,
            MemoryEventKind::Oom => self.oom,
            MemoryEventKind::OomKill => self.oom_kill,
        }
    }

    /// Kind by kind; what is unknown on either side stays unknown.
    pub fn with(self, other: Self, by: impl Fn(u64, u64) -> u64) -> Self {
        let both = |a: Option<u64>, b: Option<u64>| Some(by(a?, b?));
        Self {
            high: both(self.high, other.high),
            max: both(self.max, other.max),
            oom: both(self.oom, other.oom),
            oom_kill: both(self.oom_kill, other.oom_kill),
        }
    }

    /// Zero of what is known here.
    pub fn zeros(self) -> Self {
        self.with(self, |_, _| 0)
    }
}

/// The open files of one cgroup.
#[derive(Debug)]
pub enum MemoryEventFiles {
    /// Of the cgroup alone.
    V1 {
        /// `memory.oom_control`
        control: CounterFile,
        /// `memory.failcnt`
        failures: Option<CounterFile>,
    },
    /// Of the cgroup and all below it, those that are gone included.
    V2 {
        /// `memory.events`
        events: CounterFile,
        /// `memory.events.local`: of the cgroup alone.
        local: Option<CounterFile>,
    },
}

impl MemoryEventFiles {
    /// Opens them in whichever hierarchy has the memory controller; `None` if none has.
    pub fn open(dirs: &CgroupDirs) -> Option<Self> {
        if let Some(v1) = &dirs.memory {
            let failures = CounterFile::open_at(v1, "memory.failcnt").ok();
            let control = CounterFile::open_at(v1, "memory.oom_control").ok()?;
            return Some(Self::V1 { control, failures });
        }
        let v2 = dirs.unified.as_ref()?;
        let local = CounterFile::open_at(v2, "memory.events.local").ok();
        Some(Self::V2 { events: CounterFile::open_at(v2, "memory.events").ok()?, local })
    }

    /// Reads them; on v2 what happened below is included. `None` if the cgroup is gone.
    pub fn read(&self) -> Option<MemoryEvents> {
        match self {
            Self::V1 { control, failures } => {
                let max = failures.as_ref().and_then(CounterFile::number);
                control.read(|text| Some(v1_events(text, max)))
            }
            Self::V2 { events, .. } => events.read(|text| Some(v2_events(text))),
        }
    }

    /// Reads what happened to the cgroup itself, where that is told apart.
    pub fn local(&self) -> Option<MemoryEvents> {
        match self {
            Self::V1 { .. } => self.read(),
            Self::V2 { local, .. } => local.as_ref()?.read(|text| Some(v2_events(text))),
        }
    }

    /// Whether [`Self::read`] counts what happened below.
    pub const fn is_hierarchical(&self) -> bool {
        matches!(self, Self::V2 { .. })
    }
}

fn v1_events(oom_control: &str, max: Option<u64>) -> MemoryEvents {
    MemoryEvents { max, oom_kill: keyed(oom_control, "oom_kill"), ..MemoryEvents::default() }
}

fn v2_events(text: &str) -> MemoryEvents {
    MemoryEvents {
        high: keyed(text, "high"),
        max: keyed(text, "max"),
        oom: keyed(text, "oom"),
        oom_kill: keyed(text, "oom_kill"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let v2 = "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n";
        let expected =
            MemoryEvents { high: Some(4), max: Some(3), oom: Some(2), oom_kill: Some(1) };
        assert_eq!(v2_events(v2), expected);
        let v1 = v1_events("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", Some(7));
        let expected = MemoryEvents { high: None, max: Some(7), oom: None, oom_kill: Some(5) };
        assert_eq!(v1, expected);
    }
}
