//! The configuration as written: every field optional, nothing checked but names and types.

use std::{collections::BTreeMap, path::PathBuf};

use evictd_core::Semantics;
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
    pub(super) memory_source: Option<MemorySource>,
    pub(super) pod_logs_dir: Option<PathBuf>,
    pub(super) cgroup_root: Option<PathBuf>,
    pub(super) pods: Option<PathBuf>,
    pub(super) protect: Option<Vec<WrittenProtect>>,
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
