//! Without the capabilities it needs, evictd ends with exit code 1 and names them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Output, id},
};

const NOBODY: u32 = 65534;

/// Runs evictd as nobody, from a directory that nobody can read.
fn run_as_nobody(mode: &str) -> Output {
    let dir = std::env::temp_dir().join(format!("evictd-privileges-{}", id()));
    fs::create_dir_all(dir.join("pods")).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let binary = dir.join("evictd");
    fs::copy(common::evictd_binary(), &binary).unwrap();
    let config = dir.join("evictd.yaml");
    fs::write(&config, "evictionHard:\n  pid.available: \"10\"\n").unwrap();
    let output = Command::new(&binary)
        .args(["run", "--mode", mode, "--config"])
        .arg(&config)
        .arg("--pods")
        .arg(dir.join("pods"))
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    fs::remove_dir_all(&dir).unwrap();
    output.unwrap()
}

#[test]
fn nobody_is_told_which_capabilities_are_missing() {
    let _alone = common::alone();
    for (mode, missing) in [
        ("observe", &["CAP_BPF", "CAP_PERFMON"][..]),
        ("enforce", &["CAP_BPF", "CAP_PERFMON", "CAP_KILL"]),
    ] {
        let output = run_as_nobody(mode);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{mode}: {}\n{error}", output.status);
        for capability in missing {
            assert!(error.contains(capability), "{mode}: no {capability} in:\n{error}");
        }
        assert!(output.stdout.is_empty(), "{mode}");
    }
}
