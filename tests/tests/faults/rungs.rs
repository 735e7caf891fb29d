//! Rungs that are forced, and rungs that a kernel does not give.

use evictd_tests::{
    http::{free_address, request},
    kind::Kind,
    record::Record,
};

use crate::{PATIENCE, common, run_out_of_memory, session, still_catches, wait_until};

#[test]
fn every_family_without_a_rung_says_why() {
    let _alone = common::alone();
    let session = session(&[]);
    let rungs = &session.started().rungs;
    assert!(rungs.contains_key("writes") && rungs.contains_key("tasks"), "{rungs:?}");
    for (family, rung) in rungs {
        assert!(rung.rung.is_some() || !rung.refused.is_empty(), "{family} gives no reason");
        for refused in &rung.refused {
            assert!(!refused.reason.is_empty(), "{family}: {}", refused.rung);
        }
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn a_forced_rung_is_used_and_evictions_go_on_over_it() {
    let _alone = common::alone();
    let mut session =
        session(&["--probe-rung", "writes=raw-tracepoint", "--probe-rung", "tasks=raw-tracepoint"]);
    let started = session.started();
    for family in ["writes", "tasks"] {
        assert_eq!(started.rungs[family].rung.as_deref(), Some("raw-tracepoint"), "{family}");
    }
    assert!(started.map_bytes.is_some_and(|bytes| bytes > 0), "{started:?}");
    assert!(started.map_pods >= 110 && started.map_cpus > 0, "{started:?}");
    println!("maps take {:?} bytes", started.map_bytes);
    still_catches(&mut session, Kind::LogWriter);
    still_catches(&mut session, Kind::ForkBomb);
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn without_forks_being_counted_a_fork_bomb_is_caught_by_polling() {
    let _alone = common::alone();
    let mut session = session(&["--probe-rung", "tasks=polling"]);
    assert_eq!(session.started().rungs["tasks"].rung.as_deref(), Some("polling"));
    still_catches(&mut session, Kind::ForkBomb);
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert!(!ended.stopped.programs.contains_key("fork_btf"), "{:?}", ended.stopped.programs);
}

#[test]
fn an_oom_kill_is_told_on_each_rung_and_wakes_evictd() {
    let _alone = common::alone_with_tracefs();
    for rung in ["btf-tracepoint", "raw-tracepoint", "tracepoint"] {
        let forced = format!("oom={rung}");
        let mut session = session(&["--probe-rung", &forced]);
        let stands = &session.started().rungs["oom"];
        if let Some(refused) = stands.refused.first() {
            println!("cannot run here: oom={rung}: {}", refused.reason);
            session.stop().unwrap();
            continue;
        }
        let from = session.inbox().mark();
        run_out_of_memory(&mut session);
        let victim = session.inbox().wait_record(from, PATIENCE, "an OOM victim", |record| {
            if let Record::OomVictim(victim) = record { Some(victim.clone()) } else { None }
        });
        let victim = victim.unwrap();
        assert!(victim.pid > 1, "{rung}: {victim:?}");
        assert!(session.stop().unwrap().status.success());
    }
}

#[test]
fn memory_events_are_heard_from_files_and_wake_evictd() {
    let _alone = common::alone();
    for rung in ["inotify", "eventfd"] {
        let forced = format!("memory_events={rung}");
        let address = free_address().unwrap();
        let http = address.to_string();
        // Else "reclaim began" comes first.
        let args = ["--probe-rung", &forced, "--probe-rung", "reclaim=none", "--http", &http];
        let mut session = session(&args);
        if let Some(refused) = session.started().rungs["memory_events"].refused.first() {
            println!("cannot run here: memory_events={rung}: {}", refused.reason);
            session.stop().unwrap();
            continue;
        }
        run_out_of_memory(&mut session);
        wait_until("an event wakes evictd", || {
            let told = request(address, "GET", "/metrics").unwrap().body;
            told.contains("evictd_wakes_total{reason=\"memory-event\"}")
                && !told.contains("evictd_wakes_total{reason=\"memory-event\"} 0")
        });
        let ended = session.stop().unwrap();
        let wakes = &ended.stopped.wakes;
        assert!(wakes.contains_key("memory-event"), "{rung}: {wakes:?}");
    }
}
