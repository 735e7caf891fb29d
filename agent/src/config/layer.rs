//! What one source says of the fields that evictd shares with the kubelet, and where.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use evictd_core::{DropIn, MapField};

use super::{
    InputError, Place,
    document::Document,
    per_map::PerMap,
    place::Placed,
    shared::{WrittenMap, WrittenShared},
};

/// A value of an eviction map.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `None` for null.
    pub(super) text: Option<String>,
    pub(super) places: EntryPlaces,
}

/// Where an entry was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryPlaces {
    pub(super) key: Place,
    pub(super) value: Place,
}

/// One source: a file, a drop-in, or flags. What it does not say is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub(super) maps: PerMap<Option<BTreeMap<String, Entry>>>,
    pub(super) merge_defaults: Option<bool>,
    pub(super) transition_period: Option<Placed<String>>,
    pub(super) max_pod_grace: Option<Placed<i32>>,
    pub(super) enforce_node_allocatable: Option<Vec<String>>,
    pub(super) local_storage_isolation: Option<bool>,
    pub(super) feature_gates: BTreeMap<String, bool>,
    pub(super) kernel_memcg_notification: Option<bool>,
    /// In a file `rootDirectory`, which only evictd's own has; else `--root-dir`.
    pub(super) root_directory: Option<Placed<PathBuf>>,
    pub(super) pod_logs_dir: Option<Placed<PathBuf>>,
    pub(super) cgroup_root: Option<Placed<PathBuf>>,
    pub(super) max_pods: Option<Placed<i32>>,
    pub(super) runtime_endpoint: Option<Placed<String>>,
    pub(super) image_minimum_age: Option<Placed<String>>,
}

impl Layer {
    /// What `document`, which is all of `file`, says. Fields that are not shared are passed over.
    pub(super) fn of(document: Document<'_>, file: &Arc<Path>) -> Result<Self, InputError> {
        let mut written: WrittenShared = document.part()?;
        let place = |field: &str| Place::new(file, document.position(&[field]));
        let path = |field: &str, path: Option<PathBuf>| {
            // The kubelet takes an empty path for none.
            let value = path.filter(|path| !path.as_os_str().is_empty())?;
            Some(Placed { value, at: place(field) })
        };
        // The kubelet takes an empty text for its default.
        let text = |field: &str, text: Option<String>| {
            let value = text.filter(|text| !text.is_empty())?;
            Some(Placed { value, at: place(field) })
        };
        Ok(Self {
            maps: PerMap::from_fn(|field| {
                let map = match field {
                    MapField::Hard => written.eviction_hard.take(),
                    MapField::Soft => written.eviction_soft.take(),
                    MapField::SoftGracePeriod => written.eviction_soft_grace_period.take(),
                    MapField::MinimumReclaim => written.eviction_minimum_reclaim.take(),
                }?;
                Some(entries(map, field, document, file))
            }),
            merge_defaults: written.merge_default_eviction_settings,
            transition_period: written
                .eviction_pressure_transition_period
                .map(|value| Placed { value, at: place("evictionPressureTransitionPeriod") }),
            max_pod_grace: written
                .eviction_max_pod_grace_period
                .map(|value| Placed { value, at: place("evictionMaxPodGracePeriod") }),
            enforce_node_allocatable: written.enforce_node_allocatable,
            local_storage_isolation: written.local_storage_capacity_isolation,
            feature_gates: written.feature_gates.unwrap_or_default(),
            kernel_memcg_notification: written.kernel_memcg_notification,
            root_directory: None,
            pod_logs_dir: path("podLogsDir", written.pod_logs_dir),
            cgroup_root: path("cgroupRoot", written.cgroup_root),
            runtime_endpoint: text("containerRuntimeEndpoint", written.container_runtime_endpoint),
            image_minimum_age: text("imageMinimumGCAge", written.image_minimum_gc_age),
            max_pods: written.max_pods.map(|value| Placed { value, at: place("maxPods") }),
        })
    }

    /// The texts of one map. A null is an empty text, as where the kubelet reads its file.
    pub(super) fn texts(&self, field: MapField) -> Option<BTreeMap<String, String>> {
        let text =
            |(key, entry): (&String, &Entry)| (key.clone(), entry.text.clone().unwrap_or_default());
        Some(self.maps[field].as_ref()?.iter().map(text).collect())
    }

    /// The maps as a drop-in has them: a null removes (T-21).
    pub(super) fn drop_in(&self) -> DropIn {
        let patch = |field: MapField| {
            let entries = self.maps[field].iter().flatten();
            entries.map(|(key, entry)| (key.clone(), entry.text.clone())).collect()
        };
        DropIn {
            hard: patch(MapField::Hard),
            soft: patch(MapField::Soft),
            soft_grace_period: patch(MapField::SoftGracePeriod),
            minimum_reclaim: patch(MapField::MinimumReclaim),
        }
    }
}

fn entries(
    map: WrittenMap,
    field: MapField,
    document: Document<'_>,
    file: &Arc<Path>,
) -> BTreeMap<String, Entry> {
    let entry = |(key, text): (String, Option<String>)| {
        let path = [field.name(), key.as_str()];
        let places = EntryPlaces {
            key: Place::new(file, document.key_position(&path)),
            value: Place::new(file, document.position(&path)),
        };
        (key, Entry { text, places })
    };
    map.into_iter().map(entry).collect()
}
