//! The eviction settings between "as written" and "as used": what is in force, and what was written.

use std::collections::BTreeMap;

use evictd_core::EvictionMaps;

/// Whose configuration was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigKind {
    /// evictd's own file.
    #[default]
    Evictd,
    /// A KubeletConfiguration, or a kubelet's flags.
    Kubelet,
}

/// The four maps in force and how they came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvictionSettings {
    /// Whose configuration it is.
    pub kind: ConfigKind,
    /// The maps in force: defaults, file, drop-ins and flags together.
    pub maps: EvictionMaps,
    /// `evictionHard` as the file has it; `None` where it has none, so that the defaults hold (T-19).
    pub written_hard: Option<BTreeMap<String, String>>,
    /// `mergeDefaultEvictionSettings` (T-20).
    pub merge_defaults: bool,
}
