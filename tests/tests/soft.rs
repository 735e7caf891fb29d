//! Soft thresholds: nothing before their grace period; then SIGTERM, the pod's grace, and the kill.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use evictd_tests::{
    evictd::Options,
    inbox::Inbox,
    kind::Kind,
    node::PODS_MEMORY_BYTES,
    record::{Eviction, Record},
    session::Session,
    truth::Gauge,
};

const PATIENCE: Duration = Duration::from_secs(60);
const SOFT_GRACE_NS: u64 = 1_000_000_000;
const POD_GRACE_NS: u64 = 2_000_000_000;

const SOFT: &str = "
evictionSoft: {allocatableMemory.available: 96Mi}
evictionSoftGracePeriod: {allocatableMemory.available: 1s}
evictionMaxPodGracePeriod: 2
";

/// Takes the node below the soft threshold but not the hard one, and gives the eviction.
fn soft_eviction(session: &mut Session, more_args: &str) -> (usize, Eviction) {
    let gauge = Gauge::memory(session.node().kubepods(), PODS_MEMORY_BYTES).unwrap();
    let left = u64::try_from(gauge.available().unwrap()).unwrap() >> 20;
    let args = format!("memory-hog --mib-per-s 500 --max-mib {} {more_args}", left - 80);
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    let from = session.inbox().mark();
    session.start_worker(Kind::MemoryHog.offender(), &args).unwrap();
    let eviction = session
        .inbox()
        .wait_record(from, PATIENCE, "an eviction", |record| {
            if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
        })
        .unwrap();
    assert_eq!(format!("{}/{}", eviction.namespace, eviction.pod), Kind::MemoryHog.offender());
    assert_eq!((eviction.hard, eviction.method.as_deref()), (false, Some("SIGTERM")));
    (from, eviction)
}

fn session() -> Session {
    let mut options = Options::new(&common::evictd_binary(), "enforce");
    options.more_config = SOFT.to_owned();
    Session::start(Inbox::default(), &options).unwrap()
}

#[test]
fn a_pod_that_heeds_sigterm_is_not_killed() {
    let _alone = common::alone();
    let mut session = session();
    let (from, eviction) = soft_eviction(&mut session, "");
    let crossed = session.inbox().wait_record(from, PATIENCE, "the condition", |record| {
        matches!(record, Record::Condition { status: true, .. }).then_some(())
    });
    crossed.unwrap();
    let emptied = wait_emptied(&mut session, from, eviction.id);
    assert!(emptied < eviction.decided_ns + POD_GRACE_NS, "waited for the end of the grace period");
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn a_pod_that_ignores_sigterm_is_killed_when_its_grace_is_over() {
    let _alone = common::alone();
    let mut session = session();
    let (from, eviction) = soft_eviction(&mut session, "--ignore-term 1");
    let over = |record: &Record| {
        if let Record::GraceOver { id, outcome } = record {
            (*id == eviction.id).then(|| outcome.clone())
        } else {
            None
        }
    };
    let outcome = session.inbox().wait_record(from, PATIENCE, "the end of the grace", over);
    assert_eq!(outcome.unwrap(), "killed");
    let emptied = wait_emptied(&mut session, from, eviction.id);
    assert!(emptied >= eviction.decided_ns + POD_GRACE_NS, "killed before its grace was over");
    assert!(session.stop().unwrap().status.success());
}

/// The kubelet then reports the pod as Succeeded, and why it went is lost. evictd's record is written
/// when it is decided and says all.
#[test]
fn e32_why_a_pod_went_is_told_though_it_ends_well() {
    let _alone = common::alone();
    let mut session = session();
    let (from, eviction) = soft_eviction(&mut session, "--exit-on-term 1");
    wait_emptied(&mut session, from, eviction.id);
    let position = session.position(Kind::MemoryHog.offender()).unwrap();
    assert_eq!(session.pods()[position].worker_exit_code(), Some(0), "a good end");
    assert_eq!((&*eviction.outcome, &*eviction.signal), ("killed", "allocatableMemory.available"));
    let message = &eviction.message;
    let base = "The node was low on resource: memory. Threshold quantity: 96Mi, available: ";
    assert!(message.starts_with(base), "{message}");
    // O-4: who in the pod used it.
    let (_, rest) = message.split_once("Container worker was using ").unwrap();
    let end = ", request is 0, has larger consumption of memory. ";
    assert!(rest.ends_with(end), "{message}");
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn nothing_happens_before_the_grace_period_of_the_threshold() {
    let _alone = common::alone();
    let mut session = session();
    let (from, eviction) = soft_eviction(&mut session, "");
    let raised = |record: &Record| {
        if let Record::Condition { mono_ns, status: true } = record { Some(*mono_ns) } else { None }
    };
    let raised = session.inbox().wait_record(from, PATIENCE, "the condition", raised).unwrap();
    // The eviction comes a grace period after the crossing; the condition is reported a moment after
    // it, on a slow machine more than a moment.
    assert!(eviction.decided_ns >= raised + SOFT_GRACE_NS / 2);
    assert!(session.stop().unwrap().status.success());
}

fn wait_emptied(session: &mut Session, from: usize, id: u64) -> u64 {
    let emptied = session.inbox().wait_record(from, PATIENCE, "the pod to end", |record| {
        if let Record::Emptied(emptied) = record {
            (emptied.id == id).then_some(emptied.mono_ns)
        } else {
            None
        }
    });
    emptied.unwrap()
}
