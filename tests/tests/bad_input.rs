//! Bad input ends evictd with exit code 2 and a message that says where, what, and what is allowed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, id},
    sync::atomic::{AtomicU32, Ordering},
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory with a configuration and one manifest; removed on drop.
struct Input(PathBuf);

impl Input {
    fn new(config: &str, manifest: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("evictd-bad-input-{}-{number}", id()));
        fs::create_dir_all(dir.join("pods")).unwrap();
        fs::write(dir.join("evictd.yaml"), config).unwrap();
        fs::write(dir.join("pods/pod.yaml"), manifest).unwrap();
        Self(dir)
    }

    fn run(&self) -> Output {
        run(&self.0.join("evictd.yaml"), &self.0.join("pods"))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(config: &Path, pods: &Path) -> Output {
    let mut command = Command::new(common::evictd_binary());
    command.args(["run", "--mode", "observe", "--config"]).arg(config).arg("--pods").arg(pods);
    command.output().unwrap()
}

const GOOD_CONFIG: &str = "\
rootDirectory: /tmp
podLogsDir: /tmp
evictionHard: {pid.available: \"10\"}
";
const GOOD_POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: b
  uid: 0b0c1f6e-0000-4000-8000-000000000001
spec:
  containers:
    - name: app
      image: example.org/app:1
";

#[track_caller]
fn refused(name: &str, output: &Output, wanted: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name}: {}\n{error}", output.status);
    for text in wanted {
        assert!(error.contains(text), "{name}: no {text:?} in:\n{error}");
    }
    assert!(output.stdout.is_empty(), "{name}: records before the input was read");
}

#[test]
fn configurations_are_refused_with_file_line_and_field() {
    for (name, config, wanted) in [
        (
            "unknown field",
            "mode: observe\nevictionHrad: {}\n",
            &["evictd.yaml:2", "evictionHrad", "evictionHard"][..],
        ),
        ("not YAML", "mode: observe\nsemantics: [strict\n", &["evictd.yaml:"]),
        ("wrong type", "evictionHard: 5\n", &["evictd.yaml:1", "evictionHard"]),
        ("unknown mode", "mode: dry-run\n", &["evictd.yaml:1", "mode", "observe", "enforce"]),
        (
            "unknown signal",
            "evictionHard:\n  pid.available: \"10\"\n  disk.free: 5%\n",
            &["evictd.yaml:3", "disk.free"],
        ),
        (
            "bad quantity",
            "evictionHard:\n  memory.available: 100Mb\n",
            &["evictd.yaml:2", "memory.available", "quantities"],
        ),
        (
            "more than everything",
            "evictionHard:\n  nodefs.available: 120%\n",
            &["evictd.yaml:2", "nodefs.available", "120%"],
        ),
        (
            "soft without grace",
            "evictionSoft:\n  memory.available: 200Mi\n",
            &["evictd.yaml:", "memory.available", "race"],
        ),
        (
            "bad duration",
            "evictionPressureTransitionPeriod: 5\n",
            &["evictd.yaml:1", "evictionPressureTransitionPeriod"],
        ),
    ] {
        refused(name, &Input::new(config, GOOD_POD).run(), wanted);
    }
    let absent = run(Path::new("/nonexistent/evictd.yaml"), Path::new("/nonexistent"));
    refused("no file", &absent, &["/nonexistent/evictd.yaml"]);
}

#[test]
fn manifests_are_refused_with_file_line_and_field() {
    let without = |line: &str| {
        assert!(GOOD_POD.contains(line), "{line}");
        GOOD_POD.replace(line, "")
    };
    let unknown = GOOD_POD.replace("spec:\n", "spec:\n  priorty: 5\n");
    let kind = GOOD_POD.replace("kind: Pod", "kind: Deployment");
    let twice = format!("{GOOD_POD}---\n{}", GOOD_POD.replace("name: a\n", "name: c\n"));
    for (name, manifest, wanted) in [
        (
            "no uid",
            without("  uid: 0b0c1f6e-0000-4000-8000-000000000001\n"),
            &["pod.yaml:", "metadata.uid"][..],
        ),
        ("no name", without("  name: a\n"), &["pod.yaml:", "metadata.name"]),
        ("unknown field", unknown, &["pod.yaml:8", "priorty", "priority"]),
        ("another kind", kind, &["pod.yaml:2", "Deployment", "Pod"]),
        ("uid twice", twice, &["pod.yaml:", "uid"]),
        ("not YAML", "kind: [Pod\n".to_owned(), &["pod.yaml:"]),
    ] {
        refused(name, &Input::new(GOOD_CONFIG, &manifest).run(), wanted);
    }
}
