//! The kinds of incident: who goes wrong, how, and which signal shows it.

use anyhow::Result;
use serde::Serialize;

use crate::{
    evictd::{DISK_THRESHOLD_MIB, MEMORY_THRESHOLD_MIB, TASKS_THRESHOLD},
    node::{PODS_MEMORY_BYTES, PODS_TASKS},
    roster,
    session::Session,
    truth::Gauge,
};

/// A kind of incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A pod's log fills the disk, through the runtime; rotated once while it grows.
    LogWriter,
    /// A pod takes memory.
    MemoryHog,
    /// A pod's processes multiply.
    ForkBomb,
}

impl Kind {
    /// Every kind, in the order of the demo.
    pub const ALL: [Self; 3] = [Self::LogWriter, Self::MemoryHog, Self::ForkBomb];

    /// As in `--incident` and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogWriter => "log-writer",
            Self::MemoryHog => "memory-hog",
            Self::ForkBomb => "fork-bomb",
        }
    }

    /// The pod that goes wrong.
    pub const fn offender(self) -> &'static str {
        match self {
            Self::LogWriter => roster::LOG_WRITER,
            Self::MemoryHog => roster::MEMORY_HOG,
            Self::ForkBomb => roster::FORK_BOMBER,
        }
    }

    /// The signal that crosses, and its threshold in the signal's unit.
    pub const fn signal(self) -> (&'static str, u64) {
        match self {
            Self::LogWriter => ("nodefs.available", DISK_THRESHOLD_MIB << 20),
            Self::MemoryHog => ("allocatableMemory.available", MEMORY_THRESHOLD_MIB << 20),
            Self::ForkBomb => ("pid.available", TASKS_THRESHOLD),
        }
    }

    /// The arguments of `evictd-workload`. Bounded: the disk, the memory limit and the task limit
    /// are reached before these are, if nobody steps in.
    pub fn workload(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::LogWriter => &["log-writer", "--rate", "0", "--max-mib", "1024"],
            Self::MemoryHog => &["memory-hog", "--mib-per-s", "500", "--max-mib", "512"],
            Self::ForkBomb => &["fork-bomb", "--max", "2000"],
        };
        words.iter().chain(&["--lifetime", "90"]).map(|&word| word.to_owned()).collect()
    }

    /// The observer's view of the signal.
    pub fn gauge(self, session: &Session) -> Result<Gauge> {
        let node = session.node();
        match self {
            Self::LogWriter => Gauge::disk(node.nodefs_root()),
            Self::MemoryHog => Gauge::memory(node.kubepods(), PODS_MEMORY_BYTES),
            Self::ForkBomb => Gauge::tasks(node.kubepods(), PODS_TASKS),
        }
    }

    /// A figure of the signal, for people.
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    pub fn quantity(self, figure: i64) -> String {
        match self {
            Self::LogWriter | Self::MemoryHog => {
                format!("{:.1} MiB", figure as f64 / f64::from(1 << 20))
            }
            Self::ForkBomb => format!("{figure} tasks"),
        }
    }
}
