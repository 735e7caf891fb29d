//! The configuration as written: every field optional, nothing checked but names and types.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// The file. Names are the kubelet's own wherever it has the field.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenConfig {
    pub(super) mode: Option<Mode>,
    pub(super) semantics: Option<WrittenSemantics>,
    pub(super) eviction_hard: Option<BTreeMap<String, String>>,
    pub(super) eviction_soft: Option<BTreeMap<String, String>>,
    pub(super) eviction_soft_grace_period: Option<BTreeMap<String, String>>,
    pub(super) eviction_minimum_reclaim: Option<BTreeMap<String, String>>,
    pub(super) eviction_pressure_transition_period: Option<String>,
    pub(super) eviction_max_pod_grace_period: Option<i64>,
    pub(super) root_directory: Option<PathBuf>,
    pub(super) imagefs: Option<PathBuf>,
    pub(super) pod_logs_dir: Option<PathBuf>,
    pub(super) cgroup_root: Option<PathBuf>,
    pub(super) pods: Option<PathBuf>,
    pub(super) protect: Option<Vec<WrittenProtect>>,
    pub(super) log_writers: Option<WrittenLogWriters>,
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

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenSemantics {
    #[default]
    Strict,
    Kubelet,
}

/// One entry of `protect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenProtect {
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
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
