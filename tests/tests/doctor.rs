//! `evictd doctor` says what this machine offers, and what it does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use evictd_tests::node::Node;
use serde_json::Value;

fn doctor(args: &[&str]) -> Output {
    Command::new(common::evictd_binary()).arg("doctor").args(args).output().unwrap()
}

fn json(args: &[&str]) -> (Option<i32>, Value) {
    let output = doctor(&[args, &["--json"]].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn family<'a>(report: &'a Value, name: &str) -> &'a Value {
    let probes = report["probes"].as_array().unwrap();
    probes.iter().find(|probe| probe["family"] == name).unwrap()
}

#[test]
fn every_family_has_a_rung_or_a_reason() {
    let _alone = common::alone();
    let (code, report) = json(&[]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report["kernel"]["btf_bytes"].as_u64().unwrap() > 0);
    assert!(report["cgroup"]["layout"].is_string());
    for name in ["writes", "tasks", "memory_events", "oom", "reclaim", "cgroup_life"] {
        let family = family(&report, name);
        let refused = family["refused"].as_array().unwrap();
        assert!(family["rung"].is_string() || !refused.is_empty(), "{family}");
        assert!(family["rung"].is_string() || family["cost"].is_string(), "{family}");
    }
}

#[test]
fn without_btf_lower_rungs_are_tried_and_the_price_is_named() {
    let _alone = common::alone();
    let (code, report) = json(&["--btf", "/missing/vmlinux"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["verdict"], "degraded");
    assert!(report["kernel"]["btf_problem"].as_str().unwrap().starts_with("/missing/vmlinux: "));
    assert_eq!(family(&report, "tasks")["rung"], "raw-tracepoint");
    let writes = family(&report, "writes");
    assert!(writes["rung"].is_null() || writes["rung"] == "tracepoint", "{writes}");
    assert!(writes["cost"].is_string(), "{writes}");
}

#[test]
fn the_text_marks_each_line() {
    let _alone = common::alone();
    let output = doctor(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| {
        ["ok   ", "less ", "none ", "     "].iter().any(|mark| line.starts_with(mark))
    }));
    assert!(text.contains("verdict"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours into a pipe: {text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Filesystems that are modules (of RHEL, Fedora and Debian's plain kernels) are out of reach of the
/// better hooks; those that reach them serve, and the answer says so.
#[test]
fn where_the_filesystem_is_a_module_its_rungs_reach_it_and_the_others_say_why_not() {
    let _alone = common::alone();
    if !Path::new("/sys/kernel/btf/ext4").exists() {
        println!("cannot run here: ext4 is no module of this kernel");
        return;
    }
    let node = Node::create().unwrap();
    let config = node.dir().join("doctor.yaml");
    fs::write(&config, format!("rootDirectory: {}\n", node.kubelet_dir().display())).unwrap();
    let (code, report) = json(&["--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{report}");
    for (name, rung) in [("writes", "kprobe"), ("space", "raw-tracepoint")] {
        let family = family(&report, name);
        assert_eq!(family["rung"], rung, "{family}");
        let refused = family["refused"].as_array().unwrap();
        let reason = refused[0]["reason"].as_str().unwrap();
        assert!(reason.contains("ext4 is a module"), "{reason}");
    }
    for name in ["tasks", "memory_events", "oom", "reclaim", "cgroup_life"] {
        let refused = family(&report, name)["refused"].as_array().unwrap();
        assert!(refused.is_empty(), "{name} needs no module: {refused:?}");
    }
}

#[test]
fn a_wrong_configuration_is_told() {
    let _alone = common::alone();
    let output = doctor(&["--config", "/missing/evictd.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("/missing/evictd.yaml"), "{text}");
}
