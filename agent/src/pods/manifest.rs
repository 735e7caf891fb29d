//! A directory of ordinary Pod manifests: the pods of standalone mode.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
    slice,
    sync::Arc,
};

use k8s_openapi::api::core::v1::Pod;

use super::PodRecord;
use crate::{
    config::{
        InputError,
        document::{Document, Documents},
    },
    fingerprint::fingerprint,
};

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The directory and the state of it that was read last.
#[derive(Debug)]
pub struct ManifestDirectory {
    path: PathBuf,
    seen: Option<u64>,
    /// What was read of each file, and its state then: a pod that comes or goes costs its own file.
    read: BTreeMap<PathBuf, (u64, Vec<PodRecord>)>,
}

impl ManifestDirectory {
    /// The manifests (`*.yaml`, `*.yml`, `*.json`) in the directory at `path`.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, seen: None, read: BTreeMap::new() }
    }

    /// Whether files came, went or changed since the last [`Self::read`].
    pub fn changed(&self) -> bool {
        self.files().is_ok_and(|files| Some(fingerprint(&files)) != self.seen)
    }

    /// Reads every pod, ordered by file name. Pods that have ended are left out.
    pub fn read(&mut self) -> Result<Vec<PodRecord>, InputError> {
        let files = self.files()?;
        // Before the content: what changes while it is read is then read again. A file that cannot
        // be used is not read again until it changes.
        self.seen = Some(fingerprint(&files));
        let mut read = BTreeMap::new();
        for file in &files {
            let state = fingerprint(slice::from_ref(file));
            let known = self.read.get(file).filter(|(then, _)| *then == state);
            let records = match known {
                Some((_, records)) => records.clone(),
                None => {
                    let mut manifests = Manifests::default();
                    manifests.add(file, &Documents::read(file)?)?;
                    manifests.records
                }
            };
            read.insert(file.clone(), (state, records));
        }
        self.read = read;
        let records: Vec<PodRecord> =
            self.read.values().flat_map(|(_, records)| records).cloned().collect();
        let uids: BTreeSet<&str> = records.iter().map(|record| &*record.uid).collect();
        // Two of one name: all is read again, to say where.
        if uids.len() < records.len() { read_all(&files) } else { Ok(records) }
    }

    fn files(&self) -> Result<Vec<PathBuf>, InputError> {
        let unreadable = |e: std::io::Error| {
            let problem = format!("the directory of Pod manifests cannot be read: {e}");
            InputError::in_file(&self.path, problem)
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if is_manifest(&path) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

fn read_all(files: &[PathBuf]) -> Result<Vec<PodRecord>, InputError> {
    let mut manifests = Manifests::default();
    for file in files {
        manifests.add(file, &Documents::read(file)?)?;
    }
    Ok(manifests.records)
}

/// Reads the pods of one manifest file's `text`, calling it `file` in errors.
pub fn parse_manifest(file: &Path, text: &str) -> Result<Vec<PodRecord>, InputError> {
    let mut manifests = Manifests::default();
    manifests.add(file, &Documents::parse(file, text)?)?;
    Ok(manifests.records)
}

/// The pods read so far.
#[derive(Default)]
struct Manifests {
    records: Vec<PodRecord>,
    /// By uid, the pod that has it and where it was read.
    owners: BTreeMap<Arc<str>, String>,
}

impl Manifests {
    fn add(&mut self, file: &Path, documents: &Documents<'_>) -> Result<(), InputError> {
        for document in documents.iter() {
            let Some(record) = pod_record(document)? else {
                continue;
            };
            match self.owners.entry(record.uid.clone()) {
                Entry::Vacant(slot) => {
                    let owner =
                        format!("{}/{} in {}", record.namespace, record.name, file.display());
                    slot.insert(owner);
                }
                Entry::Occupied(owner) => {
                    let problem = format!(
                        "`{}` is already the uid of pod {}; each pod needs its own",
                        record.uid,
                        owner.get()
                    );
                    return Err(document.error(&["metadata", "uid"], problem));
                }
            }
            self.records.push(record);
        }
        Ok(())
    }
}

fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let known = path.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e == *known));
    known && !hidden
}

fn pod_record(document: Document<'_>) -> Result<Option<PodRecord>, InputError> {
    // Asked first: reading another kind as a Pod would complain of its fields instead.
    match document.text(&["kind"]) {
        Some("Pod") => {}
        Some(kind) => {
            return Err(document
                .error(&["kind"], format!("`{kind}` is not read here"))
                .allowed("Pod"));
        }
        None => return Err(document.error(&["kind"], "is required").allowed("Pod")),
    }
    match document.text(&["apiVersion"]) {
        Some("v1") => {}
        Some(version) => {
            let problem = format!("`{version}` is not the version of Pod");
            return Err(document.error(&["apiVersion"], problem).allowed("v1"));
        }
        None => return Err(document.error(&["apiVersion"], "is required").allowed("v1")),
    }
    let pod: Pod = document.to()?;
    PodRecord::of(&pod).map_err(|e| {
        let path: Vec<&str> = e.field.iter().map(String::as_str).collect();
        document.error(&path, e.problem)
    })
}

#[cfg(test)]
mod tests;
