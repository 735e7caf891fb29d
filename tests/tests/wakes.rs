//! What wakes evictd.

mod common;

use std::time::Duration;

use evictd_tests::{evictd::Options, inbox::Inbox, kind::Kind, record::Record, session::Session};

const PATIENCE: Duration = Duration::from_secs(30);

/// The kubelet polls every 10 s, whatever `kernelMemcgNotification` says, on cgroup v2. Here the kernel
/// itself tells that memory becomes short, in both semantics and without any such option.
#[test]
fn e37_the_kernel_wakes_evictd_when_memory_becomes_short() {
    let _alone = common::alone();
    for semantics in ["strict", "kubelet"] {
        let mut options = Options::new(&common::evictd_binary(), "observe");
        options.semantics = semantics;
        let mut session = Session::start(Inbox::default(), &options).unwrap();
        let rungs = &session.started().rungs;
        let stands = |family| rungs.get(family).is_some_and(|family| family.rung.is_some());
        let by_kernel = stands("reclaim") || stands("memory_events");
        let from = session.inbox().mark();
        // More than all pods may have: the kernel reclaims first, and kills then.
        session.start_worker(Kind::MemoryHog.offender(), &Kind::MemoryHog.workload()).unwrap();
        let killed = session.inbox().wait_record(from, PATIENCE, "an OOM victim", |record| {
            matches!(record, Record::OomVictim(_)).then_some(())
        });
        killed.unwrap();
        let wakes = session.stop().unwrap().stopped.wakes;
        let woken = ["reclaim", "memory-event"].iter().any(|reason| wakes.contains_key(*reason));
        assert_eq!(woken, by_kernel, "{semantics}: {wakes:?}");
        assert!(wakes.contains_key("look"), "looks by fill rate in any case: {wakes:?}");
    }
}
