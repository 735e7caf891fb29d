//! The incidents of the demo: exactly the offender is evicted, and nobody is harmed besides.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use evictd_tests::{
    evictd::Options,
    inbox::Inbox,
    incident::{self, Report},
    kind::Kind,
    session::Session,
};

fn session() -> Session {
    let options = Options::new(&common::evictd_binary(), "enforce");
    Session::start_on(common::ballast::node_with_ballast(), Inbox::default(), &options).unwrap()
}

fn happen(session: &mut Session, kind: Kind, trial: u32) -> Report {
    let report = incident::run(session, kind, trial, &mut |stage| println!("{stage:?}")).unwrap();
    let log = session.log_tail();
    assert_eq!(report.failure, None, "{report:#?}\n{log}");
    assert_eq!(report.victim.as_deref(), Some(kind.offender()), "{log}");
    report
}

fn is_caught(kind: Kind) {
    let _alone = common::alone();
    let mut session = session();
    happen(&mut session, kind, 1);
    for pod in session.pods() {
        assert!(pod.is_running(), "{} is dead", pod.spec().full_name());
    }
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.stopped.evictions, 1);
    assert_eq!(common::leftovers(std::process::id()), Vec::<String>::new());
}

#[test]
fn a_log_writer_is_evicted_before_the_disk_is_full() {
    is_caught(Kind::LogWriter);
}

#[test]
fn a_memory_hog_is_evicted_before_the_oom_killer_comes() {
    is_caught(Kind::MemoryHog);
}

#[test]
fn a_fork_bomb_is_evicted() {
    is_caught(Kind::ForkBomb);
}

#[test]
fn a_pod_that_was_made_again_is_evicted_again_and_only_it() {
    let _alone = common::alone();
    let mut session = session();
    for trial in 1..=2 {
        let position = session.position(Kind::MemoryHog.offender()).unwrap();
        let uid = session.pods()[position].uid().to_owned();
        happen(&mut session, Kind::MemoryHog, trial);
        assert_ne!(session.pods()[position].uid(), uid);
    }
    happen(&mut session, Kind::LogWriter, 1);
    assert_eq!(session.stop().unwrap().stopped.evictions, 3);
}
