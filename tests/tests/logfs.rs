//! E-46: container logs on a filesystem of their own fill it up. The kubelet has no signal for that.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    env,
    time::{Duration, Instant},
};

use evictd_tests::{
    evictd::{DISK_THRESHOLD_MIB, Options},
    inbox::Inbox,
    kind::Kind,
    nodefs::DEVICE_VARIABLE,
    record::Record,
    session::Session,
    truth::Gauge,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Several ticks.
const QUIET: Duration = Duration::from_secs(3);
const THRESHOLD: i64 = (DISK_THRESHOLD_MIB << 20).cast_signed();

/// A node whose logs lie apart; `None` on a machine that has one disk only.
fn session(semantics: &'static str) -> Option<Session> {
    if env::var_os(DEVICE_VARIABLE).is_some() {
        println!("cannot run here: this machine has a single disk");
        return None;
    }
    let mut options = Options::new(&common::evictd_binary(), "enforce");
    options.semantics = semantics;
    options.logs_apart = true;
    Some(Session::start(Inbox::default(), &options).unwrap())
}

/// Writes more log than fits above the threshold, but no more than the disk holds.
fn write_log(session: &mut Session) {
    let args = "log-writer --rate 0 --max-mib 370 --lifetime 90";
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    session.start_worker(Kind::LogWriter.offender(), &args).unwrap();
}

#[test]
fn e46_a_full_filesystem_of_logs_evicts_the_writer() {
    let _alone = common::alone();
    let Some(mut session) = session("strict") else {
        return;
    };
    let from = session.inbox().mark();
    write_log(&mut session);
    let eviction = session.inbox().wait_record(from, PATIENCE, "an eviction", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    });
    let eviction = eviction.unwrap();
    assert_eq!(format!("{}/{}", eviction.namespace, eviction.pod), Kind::LogWriter.offender());
    assert_eq!((&*eviction.signal, &*eviction.outcome), ("logfs.available", "killed"));
    assert!(eviction.available < THRESHOLD, "{eviction:?}");
    assert!(eviction.message.starts_with("The node was low on resource: ephemeral-storage. "));
    let emptied = session.inbox().wait_record(from, PATIENCE, "the pod to end", |record| {
        matches!(record, Record::Emptied(emptied) if emptied.id == eviction.id).then_some(())
    });
    emptied.unwrap();
    // The kubelet's part.
    let position = session.position(Kind::LogWriter.offender()).unwrap();
    session.pods()[position].remove_directories().unwrap();
    let seen = session.inbox().wait_record(from, PATIENCE, "the release", |record| {
        if let Record::Released(released) = record {
            (released.id == eviction.id).then_some(released.seen)
        } else {
            None
        }
    });
    assert!(seen.unwrap(), "the deadline passed first");
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn e46_kubelet_semantics_do_not_see_it() {
    let _alone = common::alone();
    let Some(mut session) = session("kubelet") else {
        return;
    };
    let logs = Gauge::disk(&session.node().pod_logs_dir()).unwrap();
    let from = session.inbox().mark();
    write_log(&mut session);
    let deadline = Instant::now() + PATIENCE;
    while logs.available().unwrap() >= THRESHOLD {
        assert!(Instant::now() < deadline, "the log does not grow");
        std::thread::sleep(Duration::from_millis(20));
    }
    let evicted = session.inbox().wait_record(from, QUIET, "an eviction", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    });
    assert!(evicted.is_err(), "{evicted:?}");
    assert!(session.stop().unwrap().status.success());
}
