//! The pods that a watch has told so far.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Event;
use tracing::warn;

use crate::pods::PodRecord;

/// Namespace and name, which only one pod has at a time.
type Key = (Arc<str>, Arc<str>);

/// Pods by name. One that has ended, or whose object cannot be used, is not among them.
#[derive(Debug, Default)]
pub(super) struct PodTable {
    pods: BTreeMap<Key, PodRecord>,
    /// What a list that is not complete yet has told.
    listed: Option<BTreeMap<Key, PodRecord>>,
    /// Objects that cannot be used, and why: each is told once.
    refused: BTreeMap<Key, String>,
}

impl PodTable {
    /// Takes in one event.
    pub(super) fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed = Some(BTreeMap::new()),
            Event::InitApply(pod) => {
                let (key, record) = self.read(&pod);
                if let (Some(listed), Some(record)) = (&mut self.listed, record) {
                    listed.insert(key, record);
                }
            }
            Event::InitDone => self.pods = self.listed.take().unwrap_or_default(),
            Event::Apply(pod) => {
                let (key, record) = self.read(&pod);
                match record {
                    Some(record) => self.pods.insert(key, record),
                    None => self.pods.remove(&key),
                };
            }
            Event::Delete(pod) => {
                let key = key(&pod);
                self.pods.remove(&key);
                self.refused.remove(&key);
            }
        }
    }

    /// False while a list is not complete: what was known before stays.
    pub(super) const fn is_complete(&self) -> bool {
        self.listed.is_none()
    }

    /// Every pod, by namespace and name.
    pub(super) fn records(&self) -> Vec<PodRecord> {
        self.pods.values().cloned().collect()
    }

    fn read(&mut self, pod: &Pod) -> (Key, Option<PodRecord>) {
        let key = key(pod);
        match PodRecord::of(pod) {
            Ok(record) => {
                self.refused.remove(&key);
                (key, record)
            }
            Err(error) => {
                let problem = format!("{} {}", error.field.join("."), error.problem);
                if self.refused.get(&key) != Some(&problem) {
                    let (namespace, name) = &key;
                    warn!("pod {namespace}/{name} cannot be used and is left alone: {problem}");
                    self.refused.insert(key.clone(), problem);
                }
                (key, None)
            }
        }
    }
}

fn key(pod: &Pod) -> Key {
    let text = |field: &Option<String>| Arc::from(field.as_deref().unwrap_or_default());
    (text(&pod.metadata.namespace), text(&pod.metadata.name))
}
