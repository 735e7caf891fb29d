//! The eviction settings between "as written" and "as used": what is in force, and what was written.

use std::collections::BTreeMap;

use evictd_core::{EvictionMaps, MapField};

use super::{Place, layer::EntryPlaces, per_map::PerMap};

/// Whose configuration was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigKind {
    /// evictd's own file.
    #[default]
    Evictd,
    /// A KubeletConfiguration, drop-ins of one, or a kubelet's flags, with or without a file of
    /// evictd's own.
    Kubelet,
}

/// By signal, for the entries that were written; defaults are written nowhere.
pub(super) type EntryPlacesInForce = BTreeMap<String, EntryPlaces>;

/// The four maps in force and how they came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvictionSettings {
    /// Whose configuration it is.
    pub kind: ConfigKind,
    /// The maps in force: defaults, file, drop-ins and flags together.
    pub maps: EvictionMaps,
    /// `evictionHard` as the deciding file or flag has it, drop-ins aside; `None` where it has none,
    /// so that the defaults hold (T-19).
    pub written_hard: Option<BTreeMap<String, String>>,
    /// `mergeDefaultEvictionSettings` (T-20).
    pub merge_defaults: bool,
    /// `kernelMemcgNotification`, which evictd has no use for and the kubelet none on cgroup v2 (E-37).
    pub kernel_memcg_notification: bool,
    pub(super) places: PerMap<EntryPlacesInForce>,
}

impl EvictionSettings {
    /// Where the entry in force of `signal` was written; `None` for a default.
    pub fn place(&self, map: MapField, signal: &str) -> Option<Place> {
        Some(self.places[map].get(signal)?.value.clone())
    }

    /// As [`Self::place`], but where its key was written.
    pub(super) fn key_place(&self, map: MapField, signal: &str) -> Option<Place> {
        Some(self.places[map].get(signal)?.key.clone())
    }
}
