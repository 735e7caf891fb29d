//! What evictd loses when the kernel gives less, and that it goes on evicting.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use evictd_tests::{evictd::Options, inbox::Inbox, incident, kind::Kind, session::Session};
use rustix::process::{Pid, Signal, kill_process};

fn session(more_args: &[&str]) -> Session {
    let mut options = Options::new(&common::evictd_binary(), "enforce");
    options.more_args = more_args.iter().map(|&arg| arg.to_owned()).collect();
    Session::start(Inbox::default(), &options).unwrap()
}

#[track_caller]
fn still_catches(session: &mut Session, kind: Kind) {
    let report = incident::run(session, kind, 1, &mut |stage| println!("{stage:?}")).unwrap();
    assert_eq!(report.failure, None, "{report:#?}\n{}", session.log_tail());
}

#[test]
fn every_family_without_a_rung_says_why() {
    let _alone = common::alone();
    let session = session(&[]);
    let rungs = &session.started().rungs;
    assert!(rungs.contains_key("writes") && rungs.contains_key("tasks"), "{rungs:?}");
    for (family, rung) in rungs {
        assert!(rung.rung.is_some() || !rung.refused.is_empty(), "{family} gives no reason");
        for refused in &rung.refused {
            assert!(!refused.reason.is_empty(), "{family}: {}", refused.rung);
        }
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn a_forced_rung_is_used_and_evictions_go_on_over_it() {
    let _alone = common::alone();
    let mut session =
        session(&["--probe-rung", "writes=raw-tracepoint", "--probe-rung", "tasks=raw-tracepoint"]);
    let started = session.started();
    for family in ["writes", "tasks"] {
        assert_eq!(started.rungs[family].rung.as_deref(), Some("raw-tracepoint"), "{family}");
    }
    assert!(started.map_bytes.is_some_and(|bytes| bytes > 0), "{started:?}");
    assert!(started.map_pods >= 110 && started.map_cpus > 0, "{started:?}");
    println!("maps take {:?} bytes", started.map_bytes);
    still_catches(&mut session, Kind::LogWriter);
    still_catches(&mut session, Kind::ForkBomb);
    assert!(session.stop().unwrap().status.success());
}

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

#[test]
fn a_full_ring_buffer_is_counted_and_decisions_are_still_made() {
    let _alone = common::alone();
    let mut session = session(&["--ring-bytes", "4096"]);
    let evictd = Pid::from_raw(i32::try_from(session.evictd_pid()).unwrap()).unwrap();
    // Nobody reads the ring meanwhile, and each cgroup that comes or goes is one record.
    kill_process(evictd, Signal::STOP).unwrap();
    let dirs = session.node().system().dirs();
    for number in 0..400 {
        let dir = dirs[0].join(format!("flood-{number}"));
        fs::create_dir(&dir).unwrap();
        fs::remove_dir(&dir).unwrap();
    }
    kill_process(evictd, Signal::CONT).unwrap();
    still_catches(&mut session, Kind::MemoryHog);
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    let drops: u64 = ended.stopped.drops.values().sum();
    assert!(drops > 0, "{:?}", ended.stopped.drops);
}
