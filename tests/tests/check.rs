//! `evictd check` on the sandboxed node and on files of every kind: exit codes, text, JSON.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, id},
    sync::atomic::{AtomicU32, Ordering},
};

use evictd_tests::{
    evictd::{self, DISK_THRESHOLD_MIB, MEMORY_THRESHOLD_MIB, TASKS_THRESHOLD},
    node::{Node, PODS_MEMORY_BYTES, PODS_TASKS},
};
use serde_json::Value;

const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory of files to check; removed on drop.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("evictd-check-{}-{number}", id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(common::evictd_binary());
    command.arg("check").arg(file).args(arguments).output().unwrap()
}

#[track_caller]
fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"))
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect()
}

fn threshold<'a>(answer: &'a Value, signal: &str) -> &'a Value {
    let thresholds = answer["thresholds"].as_array().unwrap();
    thresholds
        .iter()
        .find(|t| t["signal"] == signal)
        .unwrap_or_else(|| panic!("{signal}: {answer}"))
}

#[test]
fn the_sandboxed_node_is_told_in_its_own_numbers() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let files = Files::new();
    let file =
        files.write("evictd.yaml", &evictd::config(&node, "strict", "imagefs: /nonexistent\n"));
    let answer = json(&check(&file, &["--json"]));
    assert_eq!((&answer["kind"], &answer["semantics"]), (&"evictd".into(), &"strict".into()));

    for (signal, quantity, capacity) in [
        ("nodefs.available", DISK_THRESHOLD_MIB << 20, None),
        ("allocatableMemory.available", MEMORY_THRESHOLD_MIB << 20, Some(PODS_MEMORY_BYTES)),
        ("pid.available", TASKS_THRESHOLD, Some(PODS_TASKS)),
    ] {
        let told = threshold(&answer, signal);
        assert_eq!(told["quantity"], quantity, "{told}");
        assert_eq!(told["origin"], "written", "{told}");
        assert_eq!(told["met"], false, "{told}");
        let available = told["available"].as_u64().unwrap();
        assert_eq!(told["distance"], available - quantity, "{told}");
        match capacity {
            Some(capacity) => assert_eq!(told["capacity"], capacity, "{told}"),
            None => assert!(told["capacity"].as_u64().unwrap() > available, "{told}"),
        }
    }
    assert!(codes(&answer).contains(&"defaults-dropped"), "{answer}");
    assert!(!codes(&answer).contains(&"filesystem-not-here"), "nothing watches imagefs: {answer}");

    let text = String::from_utf8(check(&file, &[]).stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("nodefs.available")).unwrap();
    for part in ["hard", "128Mi", "128.0 MiB", "█", "line 3"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    assert!(!text.contains('\x1b'), "colours go to terminals only");
}

#[test]
fn missing_parts_of_the_node_take_only_their_own_signals() {
    let files = Files::new();
    let file = files.write(
        "evictd.yaml",
        "rootDirectory: /nonexistent/kubelet\ncgroupRoot: /nonexistent\npods: /nonexistent/pods\n",
    );
    let output = check(&file, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer = json(&output);
    let nodefs = threshold(&answer, "nodefs.available");
    assert!(nodefs["available"].is_null() && nodefs["quantity"].is_null(), "{nodefs}");
    assert!(nodefs["unknown"].as_str().unwrap().contains("/nonexistent/kubelet"), "{nodefs}");
    let pods = threshold(&answer, "allocatableMemory.available");
    assert!(pods["unknown"].as_str().unwrap().contains("/nonexistent/kubepods"), "{pods}");
    assert_eq!(pods["quantity"], 100 << 20, "{pods}");
    assert!(threshold(&answer, "memory.available")["available"].is_u64(), "{answer}");
}

#[test]
fn warnings_fail_strictly_and_bad_input_always() {
    let files = Files::new();
    let sound = files.write("sound.yaml", "{}\n");
    let dropped = files.write("dropped.yaml", "evictionHard: {memory.available: 1Mi}\n");
    for (name, file, arguments, code) in [
        ("sound", &sound, &["--no-node"][..], 0),
        ("sound, strictly", &sound, &["--no-node", "--strict"], 0),
        ("with a warning", &dropped, &["--no-node"], 0),
        ("with a warning, strictly", &dropped, &["--no-node", "--strict"], 1),
        ("the same in JSON", &dropped, &["--no-node", "--strict", "--json"], 1),
        ("no such kubelet", &sound, &["--no-node", "--kubelet", "/nonexistent"], 2),
    ] {
        let output = check(file, arguments);
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    }
    for (name, text, wanted) in [
        ("unknown field", "mode: observe\nevictionHrad: {}\n", "bad.yaml:2:1: field evictionHrad"),
        (
            "soft without grace",
            "evictionSoft:\n  memory.available: 1Gi\n",
            "bad.yaml:2:21: field evictionSoft.memory.available: grace period must be specified",
        ),
        (
            "100.0%",
            "evictionHard: {nodefs.available: 100.0%}\n",
            "bad.yaml:1:34: field evictionHard",
        ),
        ("a kubelet's", &format!("{KUBELET}evictionHard: {{x: 1%}}\n"), "bad.yaml:3:16: field"),
    ] {
        let output = check(&files.write("bad.yaml", text), &["--strict"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert!(error.contains(wanted), "{name}: no {wanted:?} in {error}");
        assert_eq!(error.lines().count(), 1, "{name}: one error: {error}");
        assert!(output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn a_kubelet_is_read_as_the_kubelet_reads_it() {
    let files = Files::new();
    let text = "evictionHard: {nodefs.available: 100.0%, pid.available: 10%%}\n";
    let kubelet = files.write("kubelet.yaml", &format!("{KUBELET}{text}"));
    let answer = json(&check(&kubelet, &["--no-node", "--json"]));
    assert_eq!((&answer["kind"], &answer["semantics"]), (&"kubelet".into(), &"kubelet".into()));
    for code in ["percentage-always-met", "percent-sign-twice", "defaults-dropped"] {
        assert!(codes(&answer).contains(&code), "no {code}: {answer}");
    }
    let strict = check(&kubelet, &["--no-node", "--semantics", "strict"]);
    assert_eq!(strict.status.code(), Some(2), "{strict:?}");

    let drop_ins = files.0.join("kubelet.conf.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(
        drop_ins.join("10-more.conf"),
        format!("{KUBELET}evictionHard: {{nodefs.available: 7Gi}}\n"),
    )
    .unwrap();
    let drop_ins = drop_ins.display().to_string();
    let answer =
        json(&check(&kubelet, &["--no-node", "--json", "--kubelet-config-dir", &drop_ins]));
    let nodefs = threshold(&answer, "nodefs.available");
    assert_eq!(nodefs["quantity"], 7_u64 << 30, "{nodefs}");
    assert!(nodefs["file"].as_str().unwrap().ends_with("10-more.conf"), "{nodefs}");
}

#[test]
fn thresholds_are_held_against_the_kubelets() {
    let files = Files::new();
    let file = files.write("evictd.yaml", "evictionHard: {memory.available: 100Mi}\n");
    let kubelet = files
        .write("kubelet.yaml", &format!("{KUBELET}evictionHard: {{memory.available: 200Mi}}\n"));
    let kubelet = kubelet.display().to_string();
    let answer = json(&check(&file, &["--no-node", "--json", "--kubelet", &kubelet]));
    assert_eq!(answer["kubelet"], kubelet);
    let findings = answer["findings"].as_array().unwrap();
    let finding = findings.iter().find(|f| f["code"] == "kubelet-acts-too").unwrap();
    assert_eq!(
        (&finding["severity"], &finding["line"]),
        (&"warning".into(), &1.into()),
        "{finding}"
    );
    let text = finding["text"].as_str().unwrap();
    assert!(text.contains("100.0 MiB") && text.contains("200.0 MiB"), "{text}");
    let alone = json(&check(&file, &["--no-node", "--json"]));
    assert!(codes(&alone).contains(&"kubelet-not-compared"), "{alone}");
}
