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
    let [pod] = &pods[..] else { panic!("{pods:?}") };
    assert_eq!((&*pod.uid, &*pod.namespace, &*pod.name), ("u-1", "shop", "web"));
    assert_eq!((pod.priority, pod.is_static, pod.qos), (100, false, Qos::Burstable));
    assert_eq!(pod.termination_grace_seconds, Some(5));
    assert_eq!(pod.container_names.get("0123").map(String::as_str), Some("c"));
    let facts = pod.facts(7, false);
    assert_eq!((facts.memory_request, facts.ephemeral_storage_request), (64 << 20, 1 << 30));
    assert_eq!(facts.spec.map(|spec| spec.volumes().len()), Some(3));
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
        ("empty uid", GOOD.replace("u-1", "\"\""), "a.yaml:6:8: field metadata.uid: is required: "),
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
