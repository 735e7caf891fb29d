//! Which source decides what: evictd's own file over the kubelet's flags, these over its drop-ins,
//! these over its file (T-18 to T-22).
//!
//! evictd's own file and the flags replace a whole map, drop-ins change entries of one. Feature gates
//! are taken one by one. `mergeDefaultEvictionSettings` of a drop-in does nothing.

use std::collections::BTreeMap;

use evictd_core::{EvictionMaps, MapField, Semantics};

use super::{
    ConfigKind, EvictionSettings,
    eviction::EntryPlacesInForce,
    layer::{EntryPlaces, Layer},
    per_map::PerMap,
};

/// Every source there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    /// evictd's own file.
    pub(super) own: Option<Layer>,
    /// The kubelet's file.
    pub(super) file: Option<Layer>,
    /// The kubelet's drop-ins, in the order they are applied; `None` without a directory of them.
    pub(super) drop_ins: Option<Vec<Layer>>,
    /// The kubelet's flags.
    pub(super) flags: Option<Layer>,
}

impl Layers {
    /// The first layer, by precedence, that `pick` finds something in.
    pub(super) fn first<'a, T>(&'a self, pick: impl Fn(&'a Layer) -> Option<T>) -> Option<T> {
        let replacing = [&self.own, &self.flags].into_iter().flatten();
        replacing.chain(self.patched()).find_map(pick)
    }

    /// A feature gate. Those that matter here are beta and on by default.
    pub(super) fn gate(&self, name: &str) -> bool {
        let gate = |name: &str| self.first(|layer| layer.feature_gates.get(name)).copied();
        gate(name).or_else(|| gate("AllBeta")).unwrap_or(true)
    }

    /// What is in force.
    pub(super) fn settings(&self, semantics: Semantics) -> EvictionSettings {
        let maps = self.maps(semantics);
        let places = PerMap::from_fn(|field| self.places(field, map_of(&maps, field)));
        EvictionSettings {
            kind: if self.has_kubelet() { ConfigKind::Kubelet } else { ConfigKind::Evictd },
            written_hard: self.written_hard(),
            merge_defaults: self.merge_defaults(),
            kernel_memcg_notification: self
                .first(|layer| layer.kernel_memcg_notification)
                .unwrap_or(false),
            maps,
            places,
        }
    }

    /// Whether the kubelet, or its defaults, decide the map: evictd's own file does not have it.
    pub(super) fn is_kubelets(&self, field: MapField) -> bool {
        let own = self.own.as_ref().and_then(|own| own.maps[field].as_ref());
        self.has_kubelet() && own.is_none()
    }

    const fn has_kubelet(&self) -> bool {
        self.file.is_some() || self.drop_ins.is_some() || self.flags.is_some()
    }

    /// The last drop-in first, the file last.
    fn patched(&self) -> impl Iterator<Item = &Layer> {
        self.drop_ins.iter().flatten().rev().chain(&self.file)
    }

    /// The layer that replaces the map whole, if there is one.
    fn replacing(&self, field: MapField) -> Option<&Layer> {
        [&self.own, &self.flags].into_iter().flatten().find(|layer| layer.maps[field].is_some())
    }

    fn merge_defaults(&self) -> bool {
        let written = [&self.own, &self.file].into_iter().flatten();
        written.filter_map(|layer| layer.merge_defaults).next().unwrap_or(false)
    }

    fn written_hard(&self) -> Option<BTreeMap<String, String>> {
        let written = self.replacing(MapField::Hard).or(self.file.as_ref());
        written.and_then(|layer| layer.texts(MapField::Hard))
    }

    fn maps(&self, semantics: Semantics) -> EvictionMaps {
        let enforced = self.first(|layer| layer.enforce_node_allocatable.as_ref());
        let file = |field| self.file.as_ref().and_then(|layer| layer.texts(field));
        let mut maps = EvictionMaps {
            hard: self.hard_before_drop_ins(),
            soft: file(MapField::Soft).unwrap_or_default(),
            soft_grace_period: file(MapField::SoftGracePeriod).unwrap_or_default(),
            minimum_reclaim: file(MapField::MinimumReclaim).unwrap_or_default(),
            enforce_pods: enforced.is_none_or(|keys| keys.iter().any(|key| key == "pods")),
            semantics,
        };
        for drop_in in self.drop_ins.iter().flatten() {
            maps.apply(&drop_in.drop_in());
        }
        for field in MapField::ALL {
            if let Some(texts) = self.replacing(field).and_then(|layer| layer.texts(field)) {
                *map_of_mut(&mut maps, field) = texts;
            }
        }
        // Flags know no defaults; what evictd's own file says is completed as the kubelet's is.
        let own = self.own.as_ref().and_then(|own| own.texts(MapField::Hard));
        if let Some(own) = own {
            maps.hard = EvictionMaps::hard_in_force(Some(&own), self.merge_defaults());
        }
        maps
    }

    /// T-19, E-7: a kubelet without a file has no defaults.
    fn hard_before_drop_ins(&self) -> BTreeMap<String, String> {
        if self.file.is_none() && self.has_kubelet() {
            return BTreeMap::new();
        }
        let written = self.file.as_ref().and_then(|file| file.texts(MapField::Hard));
        EvictionMaps::hard_in_force(written.as_ref(), self.merge_defaults())
    }

    /// Where each entry of `map`, which is in force, was written.
    fn places(&self, field: MapField, map: &BTreeMap<String, String>) -> EntryPlacesInForce {
        let entry = |key: &String| match self.replacing(field) {
            Some(layer) => place_in(layer, field, key),
            None => self.patched().find_map(|layer| place_in(layer, field, key)),
        };
        map.keys().filter_map(|key| Some((key.clone(), entry(key)?))).collect()
    }
}

fn place_in(layer: &Layer, field: MapField, key: &str) -> Option<EntryPlaces> {
    Some(layer.maps[field].as_ref()?.get(key)?.places.clone())
}

const fn map_of(maps: &EvictionMaps, field: MapField) -> &BTreeMap<String, String> {
    match field {
        MapField::Hard => &maps.hard,
        MapField::Soft => &maps.soft,
        MapField::SoftGracePeriod => &maps.soft_grace_period,
        MapField::MinimumReclaim => &maps.minimum_reclaim,
    }
}

const fn map_of_mut(maps: &mut EvictionMaps, field: MapField) -> &mut BTreeMap<String, String> {
    match field {
        MapField::Hard => &mut maps.hard,
        MapField::Soft => &mut maps.soft,
        MapField::SoftGracePeriod => &mut maps.soft_grace_period,
        MapField::MinimumReclaim => &mut maps.minimum_reclaim,
    }
}
