//! Pod manifests.

use std::path::Path;

use evictd::pods::{PodRecord, parse_manifest};

use crate::{place::points_into, text};

/// Reads the text as a file of manifests: a mistake has a place in it, and what is read can be looked
/// for in the cgroup tree without leading out of it.
pub fn manifest(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    match parse_manifest(Path::new("pods.yaml"), text) {
        Ok(records) => {
            for (i, record) in records.iter().enumerate() {
                is_sane(record);
                let same = records[..i].iter().find(|other| other.uid == record.uid);
                assert!(same.is_none(), "one uid for {record:?} and {same:?}");
            }
        }
        Err(error) => points_into(text, &error),
    }
}

fn is_sane(record: &PodRecord) {
    let names = [&record.uid, &record.namespace, &record.name];
    let empty_dirs = record.spec.volumes().iter().filter(|volume| volume.kind.is_empty_dir());
    for name in names.into_iter().chain(empty_dirs.map(|volume| &volume.name)) {
        let leads_elsewhere = matches!(&**name, "" | "." | "..") || name.contains(['/', '\0']);
        assert!(!leads_elsewhere, "{name:?} is no part of a path: {record:?}");
    }
    for container in record.spec.containers() {
        for list in [container.requests, container.limits] {
            for quantity in [list.memory, list.ephemeral_storage].into_iter().flatten() {
                assert!(quantity.signum() >= 0, "less than nothing: {record:?}");
            }
        }
    }
    let most = i64::MAX.unsigned_abs();
    let facts = record.facts(1, false);
    for figure in [facts.memory_request, facts.ephemeral_storage_request] {
        assert!(figure <= most, "more than a quantity can be: {record:?}");
    }
    assert!(record.termination_grace_seconds.unwrap_or_default() <= most, "{record:?}");
}
