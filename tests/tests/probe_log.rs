//! What the probes tell about themselves when asked to: their log, and their run times.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use evictd_tests::{evictd::Options, inbox::Inbox, session::Session};

const PATIENCE: Duration = Duration::from_secs(20);

fn session(more_args: &[&str]) -> Session {
    let mut options = Options::new(&common::evictd_binary(), "observe");
    options.more_args = more_args.iter().map(|&arg| arg.to_owned()).collect();
    Session::start(Inbox::default(), &options).unwrap()
}

#[test]
fn the_probes_log_only_behind_the_flag() {
    let _alone = common::alone();
    for (args, logs) in [(["--verbose-probes"].as_slice(), true), (&[], false)] {
        let session = session(args);
        let cgroup = session.node().system().child("logged").unwrap();
        let line = format!("cgroup {}: ", cgroup.inode().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while logs && !session.log_tail().contains(&line) {
            assert!(Instant::now() < deadline, "no {line:?} in:\n{}", session.log_tail());
            std::thread::yield_now();
        }
        let log = session.log_tail();
        assert!(session.stop().unwrap().status.success());
        assert_eq!(log.contains(&line), logs, "{log}");
    }
}

#[test]
fn run_times_are_measured_only_behind_the_flag() {
    let _alone = common::alone();
    for (args, measured) in [(["--probe-stats"].as_slice(), true), (&[], false)] {
        let session = session(args);
        let ended = session.stop().unwrap();
        let runs: u64 = ended.stopped.programs.values().map(|program| program.run_count).sum();
        assert_eq!(runs > 0, measured, "{:?}", ended.stopped.programs);
    }
}
