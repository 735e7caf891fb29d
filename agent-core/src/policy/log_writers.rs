//! What to do about containers whose logs grow too fast.

use std::time::Duration;

use super::{Policy, Semantics};

/// What is done about a log writer that is runaway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum LogWriterAction {
    /// Nothing; what is written into logs is not even read.
    Off,
    /// It is named.
    #[default]
    Report,
    /// It is named and its pod is evicted before the threshold is met. Strict semantics only: the
    /// kubelet evicts for what is, never for what is to come.
    Evict,
}

impl LogWriterAction {
    /// The name used in configuration and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Report => "report",
            Self::Evict => "evict",
        }
    }
}

/// When a container that writes its log is runaway, and what is done about it: it writes at least
/// `minimum_rate`, and at its rate the disk that holds the log meets a threshold within `horizon`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogWriterPolicy {
    /// What is done.
    pub action: LogWriterAction,
    /// How far ahead it looks.
    pub horizon: Duration,
    /// Slower writers are left alone; bytes per second.
    pub minimum_rate: u64,
}

impl Default for LogWriterPolicy {
    /// Told, not evicted: 5 MB/s and ten minutes.
    fn default() -> Self {
        Self {
            action: LogWriterAction::default(),
            horizon: Duration::from_secs(600),
            minimum_rate: 5_000_000,
        }
    }
}

impl Policy {
    /// What is done about runaway log writers under these semantics.
    pub fn log_writer_action(&self) -> LogWriterAction {
        match (self.log_writers.action, self.semantics) {
            (LogWriterAction::Evict, Semantics::Kubelet) => LogWriterAction::Report,
            (action, Semantics::Strict | Semantics::Kubelet) => action,
        }
    }
}
