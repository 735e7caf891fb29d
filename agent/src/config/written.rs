//! evictd's own fields as written: every one optional, nothing checked but names and types. The
//! fields that the kubelet has too are in `shared`.

use std::path::PathBuf;

use evictd_core::Semantics;
use serde::Deserialize;

/// The file, beside the shared fields.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenConfig {
    pub(super) mode: Option<Mode>,
    pub(super) semantics: Option<WrittenSemantics>,
    pub(super) root_directory: Option<PathBuf>,
    pub(super) imagefs: Option<PathBuf>,
    pub(super) memory_source: Option<MemorySource>,
    pub(super) pods: Option<PathBuf>,
    pub(super) protect: Option<Vec<WrittenProtect>>,
    pub(super) log_writers: Option<WrittenLogWriters>,
    pub(super) node: Option<WrittenNode>,
    pub(super) node_reclaim: Option<WrittenNodeReclaim>,
    pub(super) kubelet_margin: Option<String>,
}

/// What is done with a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decide and report, touch nothing.
    #[default]
    Observe,
    /// Evict.
    Enforce,
}

impl Mode {
    /// The name used on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What `memory.available` is (S-12, E-36).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemorySource {
    /// The kernel's own estimate, `MemAvailable`. The default in strict semantics.
    Available,
    /// What the kubelet reckons from the root cgroup. The default in kubelet semantics.
    Kubelet,
}

impl MemorySource {
    /// The source where the configuration names none.
    pub const fn default_of(semantics: Semantics) -> Self {
        match semantics {
            Semantics::Strict => Self::Available,
            Semantics::Kubelet => Self::Kubelet,
        }
    }
}

/// [`Semantics`] as the file and the command line name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WrittenSemantics {
    /// The kubelet's rules with its known accidents fixed.
    #[default]
    Strict,
    /// As the kubelet behaves, accident by accident.
    Kubelet,
}

impl From<WrittenSemantics> for Semantics {
    fn from(written: WrittenSemantics) -> Self {
        match written {
            WrittenSemantics::Strict => Self::Strict,
            WrittenSemantics::Kubelet => Self::Kubelet,
        }
    }
}

/// One entry of `protect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenProtect {
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
}

/// `node`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenNode {
    pub(super) conditions: Option<bool>,
    pub(super) taints: Option<bool>,
}

/// `nodeReclaim`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenNodeReclaim {
    pub(super) order: Option<WrittenReclaimOrder>,
    pub(super) deadline: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenReclaimOrder {
    First,
    Never,
}

/// `logWriters`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenLogWriters {
    pub(super) action: Option<WrittenLogWriterAction>,
    pub(super) horizon: Option<String>,
    pub(super) minimum_rate: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenLogWriterAction {
    Off,
    Report,
    Evict,
}
