//! `evictd doctor` says what this machine offers, and what it does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Output};

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
    assert!(writes["rung"].is_null() && writes["cost"].is_string(), "{writes}");
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
