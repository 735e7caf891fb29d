//! The pods that a watch has told so far.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Event;
use tracing::warn;

use crate::pods::{PodRecord, essence};

/// Namespace and name, which only one pod has at a time.
type Key = (Arc<str>, Arc<str>);

/// One pod.
#[derive(Debug)]
struct Listed {
    record: PodRecord,
    /// What of the object says so.
    object: Arc<Pod>,
}

/// Pods by name. One that has ended, or whose object cannot be used, is not among them.
#[derive(Debug, Default)]
pub(in crate::cluster) struct PodTable {
    pods: BTreeMap<Key, Listed>,
    /// What a list that is not complete yet has told.
    listed: Option<BTreeMap<Key, Listed>>,
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

    /// These are the pods, as another source than the watch has them.
    pub(in crate::cluster) fn replace(&mut self, pods: &[Pod]) {
        let read = pods.iter().map(|pod| self.read(pod)).collect::<Vec<_>>();
        self.pods = read.into_iter().filter_map(|(key, record)| Some((key, record?))).collect();
    }

    /// False while a list is not complete: what was known before stays.
    pub(super) const fn is_complete(&self) -> bool {
        self.listed.is_none()
    }

    /// Every pod, by namespace and name.
    pub(in crate::cluster) fn records(&self) -> Vec<PodRecord> {
        self.pods.values().map(|pod| pod.record.clone()).collect()
    }

    /// The same as objects, without what evictd does not use.
    pub(super) fn objects(&self) -> Vec<Arc<Pod>> {
        self.pods.values().map(|pod| pod.object.clone()).collect()
    }

    fn read(&mut self, pod: &Pod) -> (Key, Option<Listed>) {
        let key = key(pod);
        match PodRecord::of(pod) {
            Ok(record) => {
                self.refused.remove(&key);
                (key, record.map(|record| Listed { record, object: Arc::new(essence(pod)) }))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod of that name, UID and phase; its resources are what `memory` says.
    fn pod(name: &str, uid: &str, phase: &str, memory: &str) -> Pod {
        let object = serde_json::json!({
            "metadata": {"name": name, "namespace": "shop", "uid": uid},
            "spec": {"containers": [
                {"name": "app", "resources": {"requests": {"memory": memory}}},
            ]},
            "status": {"phase": phase},
        });
        serde_json::from_value(object).expect("a pod")
    }

    fn running(name: &str, uid: &str) -> Pod {
        pod(name, uid, "Running", "1Mi")
    }

    fn uids(table: &PodTable) -> Vec<Arc<str>> {
        table.records().into_iter().map(|record| record.uid).collect()
    }

    #[test]
    fn events_change_what_they_name() {
        use Event::{Apply, Delete};
        let begun = || vec![Apply(running("a", "1")), Apply(running("b", "2"))];
        type Case<'a> = (&'a str, Vec<Event<Pod>>, &'a [&'a str]);
        let cases: [Case<'_>; 8] = [
            ("another", vec![Apply(running("c", "3"))], &["1", "2", "3"]),
            ("ended well", vec![Apply(pod("a", "1", "Succeeded", "1Mi"))], &["2"]),
            ("ended badly", vec![Apply(pod("a", "1", "Failed", "1Mi"))], &["2"]),
            ("deleted", vec![Delete(running("a", "1"))], &["2"]),
            ("deleted, never seen", vec![Delete(running("x", "9"))], &["1", "2"]),
            (
                "the same name with a new UID",
                vec![Delete(running("a", "1")), Apply(running("a", "3"))],
                &["3", "2"],
            ),
            ("the same, deletion missed", vec![Apply(running("a", "3"))], &["3", "2"]),
            ("malformed since", vec![Apply(pod("a", "1", "Running", "much"))], &["2"]),
        ];
        for (name, events, expected) in cases {
            let mut table = PodTable::default();
            begun().into_iter().chain(events).for_each(|event| table.take(event));
            assert_eq!(
                uids(&table),
                expected.iter().map(|&u| u.into()).collect::<Vec<_>>(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_malformed_pod_costs_only_itself_and_is_told_once() {
        let mut table = PodTable::default();
        for _ in 0..2 {
            let events = [
                Event::Init,
                Event::InitApply(running("a", "1")),
                Event::InitApply(pod("b", "2", "Running", "-1")),
                Event::InitDone,
            ];
            events.into_iter().for_each(|event| table.take(event));
            assert_eq!(uids(&table), ["1".into()]);
            assert_eq!(table.refused.len(), 1);
        }
        table.take(Event::Apply(running("b", "2")));
        assert_eq!((uids(&table).len(), table.refused.len()), (2, 0), "mended");
    }

    #[test]
    fn an_incomplete_list_changes_nothing() {
        let mut table = PodTable::default();
        table.take(Event::Apply(running("a", "1")));
        table.take(Event::Init);
        table.take(Event::InitApply(running("b", "2")));
        assert_eq!((uids(&table), table.is_complete()), (vec!["1".into()], false));
        table.take(Event::InitDone);
        assert_eq!((uids(&table), table.is_complete()), (vec!["2".into()], true));
    }
}
