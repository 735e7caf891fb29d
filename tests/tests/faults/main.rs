//! What evictd loses when the kernel gives less, and that it goes on evicting.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod btf;
mod formats;
mod hotplug;
mod killed;
mod lockdown;
mod ring;
mod rungs;

use std::time::{Duration, Instant};

use evictd_tests::{
    evictd::Options, inbox::Inbox, incident, kind::Kind, roster::FORK_BOMBER, session::Session,
};

/// What is waited for takes milliseconds; this is for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

fn session(more_args: &[&str]) -> Session {
    let mut options = Options::new(&common::evictd_binary(), "enforce");
    options.more_args = more_args.iter().map(|&arg| arg.to_owned()).collect();
    Session::start_on(common::ballast::node_with_ballast(), Inbox::default(), &options).unwrap()
}

#[track_caller]
fn still_catches(session: &mut Session, kind: Kind) {
    let report = incident::run(session, kind, 1, &mut |stage| println!("{stage:?}")).unwrap();
    assert_eq!(report.failure, None, "{report:#?}\n{}", session.log_tail());
}

/// Lets a pod need more than the memory that it may have, far from any threshold of the node.
fn run_out_of_memory(session: &mut Session) {
    let position = session.position(FORK_BOMBER).unwrap();
    session.pods()[position].cgroup().limit_memory(32 << 20).unwrap();
    let args = ["memory-hog", "--max-mib", "128"].map(str::to_owned);
    session.start_worker(FORK_BOMBER, &args).unwrap();
    wait_until("the hog is killed", || session.pods()[position].worker_exit_code().is_some());
}

/// Waits for what nobody tells.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
