//! Records that nobody reads.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use evictd_tests::{kind::Kind, record::Record, session::Session};
use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, common, session, still_catches};

/// More records than the smallest ring holds: one for each cgroup that comes or goes.
fn flood(session: &Session) {
    let dirs = session.node().system().dirs();
    for number in 0..400 {
        let dir = dirs[0].join(format!("flood-{number}"));
        fs::create_dir(&dir).unwrap();
        fs::remove_dir(&dir).unwrap();
    }
}

fn assert_drops(session: Session) {
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    let drops: u64 = ended.stopped.drops.values().sum();
    assert!(drops > 0, "{:?}", ended.stopped.drops);
}

#[test]
fn a_full_ring_buffer_is_counted_and_decisions_are_still_made() {
    let _alone = common::alone();
    let mut session = session(&["--ring-bytes", "4096"]);
    let evictd = Pid::from_raw(i32::try_from(session.evictd_pid()).unwrap()).unwrap();
    // Nobody reads the ring meanwhile.
    kill_process(evictd, Signal::STOP).unwrap();
    flood(&session);
    kill_process(evictd, Signal::CONT).unwrap();
    still_catches(&mut session, Kind::MemoryHog);
    assert_drops(session);
}

#[test]
fn a_ring_that_is_not_read_for_ten_seconds_costs_wakes_but_no_decision() {
    const STALL: Duration = Duration::from_secs(10);
    let _alone = common::alone();
    let mut session = session(&["--ring-bytes", "4096", "--ring-stall", "10"]);
    let began = Instant::now();
    flood(&session);
    let from = session.inbox().mark();
    still_catches(&mut session, Kind::MemoryHog);
    let is_eviction = |record: &Record| {
        if let Record::Eviction(eviction) = record { Some(eviction.woken_by.clone()) } else { None }
    };
    let inbox = session.inbox();
    let woken_by = inbox.wait_record(from, PATIENCE, "the eviction", is_eviction).unwrap();
    if began.elapsed() < STALL {
        assert!(["look", "tick"].contains(&woken_by.as_str()), "by the clock: {woken_by}");
    } else {
        println!("cannot tell here: the machine was slower than the stall");
    }
    // The ring was full when the stall began to end; what comes now is heard again.
    thread::sleep(STALL.saturating_sub(began.elapsed()));
    let counts_writes = session.started().rungs["writes"].rung.is_some();
    still_catches(&mut session, Kind::LogWriter);
    still_catches(&mut session, Kind::ForkBomb);
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    let stopped = &ended.stopped;
    assert!(stopped.drops.values().sum::<u64>() > 0, "{:?}", stopped.drops);
    assert!(!counts_writes || stopped.wakes.contains_key("tripwire"), "{:?}", stopped.wakes);
}
