//! Pods of which there is a cgroup and no object: those that started while the API server is away, or
//! are gone there and not yet here. They are named and their use is theirs, and they are never evicted.

use std::{collections::BTreeMap, ffi::CStr, fs, sync::Arc};

use evictd_core::{PodSpec, PodSpecParts, Qos};

use super::{CgroupTree, NodeLayout, PodRecord, cgroup::c_path, for_each_dir};

/// Stands for a namespace that is not known.
const UNKNOWN: &str = "?";

/// The pods' cgroups whose inode `is_known` does not know. Allocates little where it knows all of them.
pub(super) fn find(
    layout: &NodeLayout,
    tree: &CgroupTree,
    is_known: impl Fn(u64) -> bool,
) -> Vec<PodRecord> {
    let mut found = Vec::new();
    for (qos, path) in layout.class_cgroups() {
        let Ok(path) = c_path(&path) else { continue };
        let dirs = tree.open_dirs(&path);
        let Some(dir) = dirs.identity() else { continue };
        // A class that goes away meanwhile has no pods.
        let _ = for_each_dir(dir, |name: &CStr, inode| {
            if is_known(inode) {
                return;
            }
            let uid = name.to_str().ok().and_then(|name| layout.pod_uid(name));
            found.extend(uid.map(|uid| nameless(&uid, qos)));
        });
    }
    name_all(layout, &mut found);
    found
}

/// Those of `records` that had no name and have one now: a log directory is made after the cgroup.
pub(super) fn name<'a>(
    layout: &NodeLayout,
    records: impl Iterator<Item = &'a PodRecord>,
) -> Vec<PodRecord> {
    let mut named: Vec<PodRecord> = records.filter(|record| is_nameless(record)).cloned().collect();
    name_all(layout, &mut named);
    named.retain(|record| !is_nameless(record));
    named
}

fn is_nameless(record: &PodRecord) -> bool {
    !record.is_listed && &*record.namespace == UNKNOWN
}

fn nameless(uid: &str, qos: Qos) -> PodRecord {
    PodRecord {
        uid: uid.into(),
        namespace: UNKNOWN.into(),
        name: uid.into(),
        priority: 0,
        is_static: false,
        qos,
        spec: Arc::new(PodSpec::new(PodSpecParts::default())),
        termination_grace_seconds: None,
        container_names: BTreeMap::new(),
        is_listed: false,
    }
}

/// Log directories are called by namespace, name and UID.
fn name_all(layout: &NodeLayout, records: &mut [PodRecord]) {
    if records.is_empty() {
        return;
    }
    let Ok(entries) = fs::read_dir(&layout.pod_logs_dir) else { return };
    for entry in entries.flatten() {
        let directory = entry.file_name();
        let parts = directory.to_str().map(|text| text.split('_'));
        let Some([namespace, name, uid]) = parts.and_then(three) else { continue };
        if let Some(record) = records.iter_mut().find(|record| &*record.uid == uid) {
            record.namespace = namespace.into();
            record.name = name.into();
        }
    }
}

fn three<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<[&'a str; 3]> {
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::CgroupDriver;

    #[test]
    fn log_directories_name_pods() {
        let logs = tempfile::tempdir().expect("a directory");
        for directory in ["shop_cart-1_u-1", "shop_cart_u-2_more", "plain"] {
            fs::create_dir(logs.path().join(directory)).expect("mkdir");
        }
        let layout = NodeLayout {
            root_directory: "/nowhere".into(),
            pod_logs_dir: logs.path().to_owned(),
            cgroup_root: "/".into(),
            driver: CgroupDriver::Cgroupfs,
        };
        let mut records = ["u-1", "u-2"].map(|uid| nameless(uid, Qos::Burstable));
        name_all(&layout, &mut records);
        let names = records.each_ref().map(|r| (&*r.namespace, &*r.name, is_nameless(r)));
        assert_eq!(names, [("shop", "cart-1", false), ("?", "u-2", true)]);
        assert!(records.iter().all(|record| record.facts(1, false).protected));
    }
}
