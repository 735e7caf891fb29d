//! Observe mode decides and reports the same, and touches nothing.

mod common;

use std::time::{Duration, Instant};

use evictd_tests::{
    evictd::Options,
    inbox::{Inbox, WaitError},
    kind::Kind,
    node::PODS_MEMORY_BYTES,
    pod::Pod,
    record::{Eviction, Record},
    session::Session,
    truth::Gauge,
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Several turns of the memory look at its fastest, and of the slow tick.
const QUIET: Duration = Duration::from_secs(3);

fn next_eviction(
    session: &mut Session,
    from: usize,
    patience: Duration,
) -> Result<Eviction, WaitError> {
    session.inbox().wait_record(from, patience, "an eviction", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    })
}

#[test]
fn the_offender_is_named_once_and_lives_on() {
    let _alone = common::alone();
    let options = Options::new(&common::evictd_binary(), "observe");
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    assert_eq!(session.started().mode, "observe");

    // Takes the node 10 MiB past the memory threshold and stays there.
    let gauge = Gauge::memory(session.node().kubepods(), PODS_MEMORY_BYTES).unwrap();
    let (_, threshold) = Kind::MemoryHog.signal();
    let left = u64::try_from(gauge.available().unwrap()).unwrap();
    let mib = ((left - threshold) >> 20) + 10;
    let args = format!("memory-hog --mib-per-s 500 --max-mib {mib} --lifetime 60");
    let from = session.inbox().mark();
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    session.start_worker(Kind::MemoryHog.offender(), &args).unwrap();

    let eviction = next_eviction(&mut session, from, PATIENCE).unwrap();
    assert_eq!(format!("{}/{}", eviction.namespace, eviction.pod), Kind::MemoryHog.offender());
    assert_eq!(eviction.outcome, "observed");
    assert_eq!(eviction.kill_issued_ns, None);
    assert_eq!(eviction.signal, Kind::MemoryHog.signal().0);

    let position = session.position(Kind::MemoryHog.offender()).unwrap();
    assert_eq!(session.pods()[position].uid(), eviction.uid);
    let after = session.inbox().mark();
    let second = next_eviction(&mut session, after, QUIET);
    assert!(matches!(second, Err(WaitError::TimedOut(..))), "{second:?}");
    for pod in session.pods() {
        assert!(pod.is_running(), "{} is dead", pod.spec().full_name());
    }
    assert_eq!(session.node().kubepods().oom_kills(), 0);
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
}

#[test]
fn a_victim_of_the_oom_killer_is_named() {
    let _alone = common::alone();
    let options = Options::new(&common::evictd_binary(), "observe");
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    let from = session.inbox().mark();
    let offender = Kind::MemoryHog.offender();
    // More than all pods may have: observe mode lets it come to the worst.
    let worker = session.start_worker(offender, &Kind::MemoryHog.workload()).unwrap();
    let victim = session
        .inbox()
        .wait_record(from, PATIENCE, "an OOM victim", |record| {
            if let Record::OomVictim(victim) = record { Some(victim.clone()) } else { None }
        })
        .unwrap();
    assert!(victim.comm.starts_with("evictd-workload"), "{victim:?}");
    if victim.cgroup_id == 0 {
        println!("cannot run here: this kernel tells only the pid of an OOM victim");
    } else {
        // The killer takes the largest, which need not be the pod that grew.
        let named = victim.pod.clone().unwrap();
        let is_named = |pod: &&mut Pod| pod.spec().full_name().ends_with(&format!("/{named}"));
        let pod = session.pods().iter_mut().find(is_named).unwrap();
        if victim.container.as_ref() == Some(&worker) {
            assert_eq!(pod.spec().full_name(), offender);
        } else {
            assert_eq!(victim.container.as_deref(), Some("app"));
            // It is told when it is chosen, and dies a moment later.
            let deadline = Instant::now() + PATIENCE;
            while pod.is_running() {
                assert!(Instant::now() < deadline, "{victim:?} is alive");
                std::thread::yield_now();
            }
        }
    }
    assert!(session.stop().unwrap().status.success());
}
