//! Kernels that do not describe their types, or not as they are needed.

use std::fs;

use evictd::probe::KERNEL_BTF;
use evictd_tests::kind::Kind;

use crate::{common, session, still_catches};

#[test]
fn without_btf_the_rungs_that_need_it_are_off_with_a_reason_and_evictions_go_on() {
    let _alone = common::alone();
    let mut session = session(&["--btf", "/nonexistent/vmlinux"]);
    let refused: Vec<String> = session
        .started()
        .rungs
        .values()
        .flat_map(|rung| rung.refused.iter().map(|refused| refused.reason.clone()))
        .collect();
    assert!(!refused.is_empty(), "{:?}", session.started().rungs);
    assert!(
        refused.iter().any(|reason| reason.contains("/nonexistent/vmlinux")),
        "no reason names the missing file: {refused:?}"
    );
    still_catches(&mut session, Kind::MemoryHog);
    still_catches(&mut session, Kind::LogWriter);
    assert!(session.stop().unwrap().status.success());
}

/// The kernel's BTF with another name for a member.
fn doctored(member: &str) -> Vec<u8> {
    let mut btf = fs::read(KERNEL_BTF).unwrap();
    let name = format!("\0{member}\0").into_bytes();
    let at = btf.windows(name.len()).position(|window| window == name).unwrap();
    btf[at + 1] = b'X';
    btf
}

#[test]
fn a_field_that_btf_lacks_takes_only_the_rungs_off_that_need_it() {
    let _alone = common::alone();
    let path = std::env::temp_dir().join(format!("evictd-btf-{}", std::process::id()));
    fs::write(&path, doctored("dfl_cgrp")).unwrap();
    let mut session = session(&["--btf", path.to_str().unwrap()]);
    fs::remove_file(&path).unwrap();
    let rungs = &session.started().rungs;
    let tasks = &rungs["tasks"];
    let reason = "kernel BTF has no member dfl_cgrp in struct css_set";
    assert_eq!(tasks.refused[0].rung, "btf-tracepoint");
    assert_eq!(tasks.refused[0].reason, reason);
    assert_eq!(tasks.rung.as_deref(), Some("raw-tracepoint"), "it needs no field");
    assert_eq!(rungs["reclaim"].rung.as_deref(), Some("btf-tracepoint"), "it needs none either");
    assert_eq!(rungs["cgroup_life"].rung.as_deref(), Some("btf-tracepoint"), "it needs others");
    still_catches(&mut session, Kind::ForkBomb);
    assert!(session.stop().unwrap().status.success());
}
