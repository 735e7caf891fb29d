//! evictd never evicts the pod it runs in.

mod common;

use std::time::Duration;

use evictd_tests::{
    evictd::Options, inbox::Inbox, kind::Kind, node::PODS_MEMORY_BYTES, record::Record,
    session::Session, truth::Gauge,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// In observe mode, so that only the decision is at stake.
#[test]
fn the_pod_that_evictd_runs_in_is_passed_over() {
    let _alone = common::alone();
    let own = Kind::MemoryHog.offender();
    let mut options = Options::new(&common::evictd_binary(), "observe");
    options.inside = Some(own);
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    let gauge = Gauge::memory(session.node().kubepods(), PODS_MEMORY_BYTES).unwrap();
    let (_, threshold) = Kind::MemoryHog.signal();
    let left = u64::try_from(gauge.available().unwrap()).unwrap();
    let mib = (left.saturating_sub(threshold) >> 20) + 10;
    let args = format!("memory-hog --mib-per-s 500 --max-mib {mib} --lifetime 60");
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    let from = session.inbox().mark();
    session.start_worker(own, &args).unwrap();
    let eviction = session.inbox().wait_record(from, PATIENCE, "an eviction", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    });
    let eviction = eviction.unwrap();
    let name = |namespace: &str, pod: &str| format!("{namespace}/{pod}");
    assert_ne!(name(&eviction.namespace, &eviction.pod), own);
    let place = eviction.rank.iter().find(|place| name(&place.namespace, &place.pod) == own);
    let place = place.unwrap();
    assert_eq!(place.passed_over.as_deref(), Some("protected"), "{eviction:?}");
    assert!(session.log_tail().contains("is evictd's own pod"), "{}", session.log_tail());
    assert!(session.stop().unwrap().status.success());
}
