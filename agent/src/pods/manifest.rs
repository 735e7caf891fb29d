//! A directory of ordinary Pod manifests: the pods of standalone mode.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
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
}

impl ManifestDirectory {
    /// The manifests (`*.yaml`, `*.yml`, `*.json`) in the directory at `path`.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
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
        let mut manifests = Manifests::default();
        for file in &files {
            manifests.add(file, &Documents::read(file)?)?;
        }
        Ok(manifests.records)
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
mod tests {
    use evictd_core::Qos;

    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Vec<PodRecord>, String> {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("write");
        }
        let prefix = format!("{}/", dir.path().display());
        ManifestDirectory::new(dir.path().to_owned())
            .read()
            .map_err(|e| e.to_string().replace(&prefix, ""))
    }

    const GOOD: &str = "apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  uid: u-1
spec:
  priority: 100
  terminationGracePeriodSeconds: 5
  containers:
    - name: c
      image: i
      resources: {requests: {cpu: 0.5, memory: 64Mi, ephemeral-storage: 1Gi}}
  volumes:
    - {name: cache, emptyDir: {sizeLimit: 1Gi}}
    - {name: ram, emptyDir: {medium: Memory}}
    - {name: conf, configMap: {name: x}}
";

    #[test]
    fn a_pod_is_read_whole() {
        let status = "status: {containerStatuses: [{name: c, containerID: containerd://0123}]}\n";
        let text = format!("{GOOD}{status}");
        let pods = read(&[("a.yaml", &text), ("b.txt", "no"), (".c.yaml", "no")]).expect("valid");
        let expected = PodRecord {
            uid: "u-1".into(),
            namespace: "shop".into(),
            name: "web".into(),
            priority: 100,
            is_static: false,
            qos: Qos::Burstable,
            requests: super::super::Requests { memory: 64 << 20, ephemeral_storage: 1 << 30 },
            termination_grace_seconds: Some(5),
            container_names: BTreeMap::from([("0123".to_owned(), "c".to_owned())]),
            empty_dirs: vec!["cache".to_owned()],
        };
        assert_eq!(pods, [expected]);
    }

    #[test]
    fn documents_json_and_ended_pods() {
        let second = GOOD.replace("u-1", "u-2");
        let ended = GOOD.replace("u-1", "u-3") + "status: {phase: Succeeded}\n";
        let json = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\t\"metadata\": \
            {\"name\": \"j\", \"uid\": \"u-4\"},\n\t\"spec\": {\"containers\": []}\n}\n";
        let pods = read(&[
            ("a.yaml", &format!("---\n{GOOD}---\n# nothing\n---\n{second}---\n{ended}")),
            ("b.json", json),
        ])
        .expect("valid");
        let seen: Vec<_> = pods.iter().map(|p| (&*p.uid, &*p.namespace)).collect();
        assert_eq!(seen, [("u-1", "shop"), ("u-2", "shop"), ("u-4", "default")]);
    }

    #[test]
    fn static_and_mirror_pods_are_known_by_their_annotations() {
        for (annotations, expected) in [
            ("{}", false),
            ("{kubernetes.io/config.source: api}", false),
            ("{kubernetes.io/config.source: file}", true),
            ("{kubernetes.io/config.mirror: abc}", true),
        ] {
            let annotated = format!("  uid: u-1\n  annotations: {annotations}\n");
            let pods = read(&[("a.yaml", &GOOD.replace("  uid: u-1\n", &annotated))]);
            let pods = pods.expect(annotations);
            assert_eq!(pods[0].is_static, expected, "{annotations}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            (
                "no uid",
                GOOD.replace("  uid: u-1\n", ""),
                "a.yaml:3:1: field metadata.uid: is required: add the uid that names",
            ),
            (
                "empty uid",
                GOOD.replace("u-1", "\"\""),
                "a.yaml:6:8: field metadata.uid: is required: ",
            ),
            (
                "uid leads elsewhere",
                GOOD.replace("u-1", "../x"),
                "a.yaml:6:8: field metadata.uid: `../x` cannot be part of a path",
            ),
            (
                "no name",
                GOOD.replace("  name: web\n", ""),
                "a.yaml:3:1: field metadata.name: is required: ",
            ),
            (
                "no metadata",
                "apiVersion: v1\nkind: Pod\nspec: {containers: []}\n".to_owned(),
                "a.yaml:1:1: field metadata",
            ),
            (
                "no spec",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: a, uid: b}\n".to_owned(),
                "a.yaml:1:1: field spec: is required",
            ),
            (
                "unknown field",
                GOOD.replace("  priority: 100", "  priorty: 100"),
                "a.yaml:8:3: field spec.priorty: unknown field `priorty` (did you mean \
                 `priority`?); allowed: activeDeadlineSeconds, ",
            ),
            (
                "unknown field, deep",
                GOOD.replace("requests:", "requets:"),
                "a.yaml:13:19: field spec.containers.0.resources.requets: unknown field \
                 `requets` (did you mean `requests`?); allowed: claims, limits, requests",
            ),
            (
                "wrong type",
                GOOD.replace("priority: 100", "priority: high"),
                "a.yaml:8:13: field spec.priority: found string \"high\", expected i32",
            ),
            (
                "bad quantity",
                GOOD.replace("64Mi", "64Qi"),
                "a.yaml:13:48: field spec.containers.0.resources.requests.memory: `64Qi` is not",
            ),
            (
                "negative quantity",
                GOOD.replace("64Mi", "-1"),
                "a.yaml:13:48: field spec.containers.0.resources.requests.memory: `-1` must not",
            ),
            (
                "negative grace",
                GOOD.replace("Seconds: 5", "Seconds: -5"),
                "a.yaml:9:34: field spec.terminationGracePeriodSeconds: must not be negative",
            ),
            (
                "another kind",
                GOOD.replace("kind: Pod", "kind: Deployment"),
                "a.yaml:2:7: field kind: `Deployment` is not read here; allowed: Pod",
            ),
            (
                "no kind",
                GOOD.replace("kind: Pod\n", ""),
                "a.yaml:1:1: field kind: is required; allowed: Pod",
            ),
            (
                "another version",
                GOOD.replace("apiVersion: v1", "apiVersion: v2"),
                "a.yaml:1:13: field apiVersion: `v2` is not the version of Pod; allowed: v1",
            ),
            (
                "second document",
                format!("{GOOD}---\nkind: Node\n"),
                "a.yaml:19:7: field kind: `Node` is not read here",
            ),
            (
                "same uid",
                format!("{GOOD}---\n{GOOD}"),
                "a.yaml:24:8: field metadata.uid: `u-1` is already the uid of pod shop/web in ",
            ),
            ("too deep", "[".repeat(33) + &"]".repeat(33), "a.yaml:1:33: not valid YAML: "),
            ("far too deep", "[".repeat(100_000), "a.yaml:1:256: not valid YAML: recursion limit"),
            ("not YAML", "kind: [Pod\n".to_owned(), "a.yaml:"),
            ("not a mapping", "just text\n".to_owned(), "a.yaml:1:1: field kind: is required"),
        ];
        for (name, text, expected) in cases {
            let error = read(&[("a.yaml", &text)]).expect_err(name);
            assert!(error.starts_with(expected), "{name}: {error}");
        }
    }

    #[test]
    fn changes_are_noticed_and_an_error_is_told_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut manifests = ManifestDirectory::new(dir.path().to_owned());
        assert!(manifests.changed(), "never read");
        manifests.read().expect("empty");
        assert!(!manifests.changed());
        fs::write(dir.path().join("a.yaml"), "kind: Pid").expect("write");
        assert!(manifests.changed(), "a new file");
        manifests.read().expect_err("bad");
        assert!(!manifests.changed(), "told already");
        fs::write(dir.path().join("a.yaml"), GOOD).expect("write");
        assert!(manifests.changed(), "rewritten");
        assert_eq!(manifests.read().expect("good").len(), 1);
        fs::remove_file(dir.path().join("a.yaml")).expect("remove");
        assert!(manifests.changed(), "removed");
        drop(dir);
        assert!(manifests.read().is_err(), "no directory");
    }
}
