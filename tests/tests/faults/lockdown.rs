//! Programs that a locked-down kernel does not take.

use std::{fs, process::Command};

use serde_json::Value;

use crate::common;

#[test]
fn what_lockdown_forbids_is_said_to_be_forbidden_by_it() {
    let _alone = common::alone_with_tracefs();
    let levels = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let Some(level) = ["integrity", "confidentiality"]
        .into_iter()
        .find(|level| levels.contains(&format!("[{level}]")))
    else {
        println!("cannot run here: the kernel is not locked down ({})", levels.trim());
        return;
    };
    let output = Command::new(common::evictd_binary()).args(["doctor", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["kernel"]["lockdown"], level);
    let families = report["probes"].as_array().unwrap();
    let refused = families.iter().flat_map(|family| family["refused"].as_array().unwrap());
    let reasons: Vec<&str> = refused.filter_map(|refused| refused["reason"].as_str()).collect();
    let forbidden = |reason: &&str| reason.contains("Operation not permitted");
    let named = format!("; kernel lockdown is at {level}");
    for reason in reasons.iter().copied().filter(forbidden) {
        assert!(reason.ends_with(&named), "{reason}");
    }
    if !reasons.iter().any(forbidden) {
        println!("cannot run here: this lockdown forbids no rung: {reasons:#?}");
    }
}
