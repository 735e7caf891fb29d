//! Nothing is left on the machine, whatever becomes of the incident runner.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use evictd_tests::{container::tool, hierarchies::Hierarchies, sweep};
use rustix::process::{Pid, Signal, kill_process};

/// The runner with an incident under way.
fn runner_at_work() -> Child {
    let mut child = Command::new(tool("evictd-incidents").unwrap())
        .arg("--evictd")
        .arg(common::evictd_binary())
        .args(["--incident", "log-writer", "--trials", "100"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("rotated")), "the log was never rotated");
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn ctrl_c_ends_with_130_and_leaves_nothing() {
    let _alone = common::alone();
    for ctrl_c in [Signal::INT, Signal::TERM] {
        let mut child = runner_at_work();
        signal(&child, ctrl_c);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{ctrl_c:?}: {status}");
        assert_eq!(common::leftovers(child.id()), Vec::<String>::new(), "{ctrl_c:?}");
    }
}

#[test]
fn a_run_that_was_killed_is_swept_by_the_next() {
    let _alone = common::alone();
    let mut child = runner_at_work();
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert_ne!(common::leftovers(child.id()), Vec::<String>::new(), "SIGKILL leaves no time");
    sweep::leftovers(&Hierarchies::of_this_machine().unwrap().into());
    assert_eq!(common::leftovers(child.id()), Vec::<String>::new());
}

#[test]
fn an_evictd_that_does_not_start_fails_the_run_and_leaves_nothing() {
    let _alone = common::alone();
    for (name, evictd) in [("ends at once", "/proc/self/exe"), ("is not there", "/nonexistent")] {
        // /proc/self/exe is the runner itself, which does not know `run`: exit code 2.
        let child = Command::new(tool("evictd-incidents").unwrap())
            .args(["--evictd", evictd])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(!output.stderr.is_empty(), "{name}");
        assert_eq!(common::leftovers(pid), Vec::<String>::new(), "{name}");
    }
}
