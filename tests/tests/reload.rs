//! A configuration that changes while evictd runs: a good one is in force at once, a bad one is told and
//! the last good one stays.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, os::unix::fs::symlink, path::PathBuf, time::Duration};

use evictd_tests::{
    evictd::{Options, config},
    inbox::{Event, Inbox},
    kind::Kind,
    node::PODS_MEMORY_BYTES,
    pod::write_whole,
    record::{Eviction, Record},
    session::Session,
    truth::Gauge,
};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

/// Met from the start by the pods of the sandbox, which have a task each at least.
const MET: &str = "pid.available: \"510\"";
/// As the sandbox has it.
const FAR: &str = "pid.available: \"128\"";

fn session(mode: &'static str, more: &str) -> Session {
    let mut options = Options::new(&common::evictd_binary(), mode);
    options.more_config = more.to_owned();
    Session::start(Inbox::default(), &options).unwrap()
}

fn file(session: &Session) -> PathBuf {
    session.node().dir().join("evictd.yaml")
}

fn text(session: &Session, more: &str) -> String {
    config(session.node(), "strict", more)
}

/// Outcome and detail of the next reading from position `from` on.
fn reading(session: &mut Session, from: usize) -> (String, String) {
    let read = session.inbox().wait_record(from, PATIENCE, "a reading", |record| {
        if let Record::Config { outcome, detail } = record {
            Some((outcome.clone(), detail.clone()))
        } else {
            None
        }
    });
    read.unwrap()
}

fn eviction(session: &mut Session, from: usize, signal: &str) -> Eviction {
    let found = session.inbox().wait_record(from, PATIENCE, "an eviction", |record| {
        if let Record::Eviction(eviction) = record {
            (eviction.signal == signal).then(|| eviction.clone())
        } else {
            None
        }
    });
    found.unwrap()
}

/// Takes the node past the memory threshold and stays there; gives the eviction that follows.
fn cross_memory(session: &mut Session) -> Eviction {
    let gauge = Gauge::memory(session.node().kubepods(), PODS_MEMORY_BYTES).unwrap();
    let (signal, threshold) = Kind::MemoryHog.signal();
    let left = u64::try_from(gauge.available().unwrap()).unwrap();
    let mib = ((left - threshold) >> 20) + 10;
    let args = format!("memory-hog --mib-per-s 500 --max-mib {mib} --lifetime 60");
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    let from = session.inbox().mark();
    session.start_worker(Kind::MemoryHog.offender(), &args).unwrap();
    eviction(session, from, signal)
}

#[test]
fn a_bad_configuration_is_refused_and_a_good_one_is_in_force_at_once() {
    let _alone = common::alone();
    let mut session = session("observe", "");
    let (good, path) = (text(&session, ""), file(&session));

    let from = session.inbox().mark();
    let line = good.lines().count() + 1;
    write_whole(&path, &format!("{good}evictionHrad: {{}}\n")).unwrap();
    let (outcome, detail) = reading(&mut session, from);
    assert_eq!(outcome, "refused");
    let place = format!("{}:{line}:1: field evictionHrad: unknown field", path.display());
    assert!(detail.starts_with(&place), "{detail}");

    let evicted = cross_memory(&mut session);
    let threshold = i64::try_from(Kind::MemoryHog.signal().1).unwrap();
    assert_eq!(evicted.quantity, threshold, "decided by the last good one");
    let readings = session.inbox().since(from).iter().filter(
        |event| matches!(event, Event::Record(record) if matches!(**record, Record::Config { .. })),
    );
    assert_eq!(readings.count(), 1, "a complaint is made once");

    let from = session.inbox().mark();
    write_whole(&path, &good.replace(FAR, MET)).unwrap();
    let expected = ("applied".to_owned(), "changed: policy".to_owned());
    assert_eq!(reading(&mut session, from), expected);
    assert_eq!(eviction(&mut session, from, "pid.available").quantity, 510);

    let from = session.inbox().mark();
    let pid = Pid::from_raw(i32::try_from(session.evictd_pid()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let expected = ("applied".to_owned(), "changed: nothing".to_owned());
    assert_eq!(reading(&mut session, from), expected, "asked for");
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn a_swapped_link_is_noticed() {
    let _alone = common::alone();
    let mut session = session("observe", "");
    let (dir, path) = (session.node().dir().to_owned(), file(&session));
    // As Kubernetes lays out a ConfigMap.
    let swap = |to: &str, text: &str| {
        fs::create_dir(dir.join(to)).unwrap();
        fs::write(dir.join(to).join("evictd.yaml"), text).unwrap();
        symlink(to, dir.join("..tmp")).unwrap();
        fs::rename(dir.join("..tmp"), dir.join("..data")).unwrap();
    };
    let from = session.inbox().mark();
    swap("..1", &text(&session, ""));
    symlink("..data/evictd.yaml", dir.join("..link")).unwrap();
    fs::rename(dir.join("..link"), &path).unwrap();
    assert_eq!(reading(&mut session, from).1, "changed: nothing");

    let from = session.inbox().mark();
    swap("..2", &text(&session, "").replace(FAR, MET));
    assert_eq!(reading(&mut session, from).1, "changed: policy");
    let raised = session.inbox().wait_record(from, PATIENCE, "the condition", |record| {
        matches!(record, Record::Condition { status: true, .. }).then_some(())
    });
    raised.unwrap();
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn mode_and_protection_change_while_it_runs() {
    let _alone = common::alone();
    let mut session = session("", "mode: observe\n");
    let path = file(&session);
    let offender = Kind::MemoryHog.offender();
    let first = cross_memory(&mut session);
    assert_eq!(first.outcome, "observed");

    let (namespace, name) = offender.split_once('/').unwrap();
    let protect = format!("protect: [{{namespace: {namespace}, name: {name}}}]\n");
    let from = session.inbox().mark();
    write_whole(&path, &text(&session, &format!("mode: observe\n{protect}"))).unwrap();
    assert_eq!(reading(&mut session, from).1, "changed: protect");

    let from = session.inbox().mark();
    write_whole(&path, &text(&session, "mode: enforce\npods: /elsewhere\n")).unwrap();
    let detail = reading(&mut session, from).1;
    // `--pods` wins, so the manifests stay where they are.
    assert_eq!(detail, "changed: mode, protect");
    let second = eviction(&mut session, from, Kind::MemoryHog.signal().0);
    assert_eq!((second.outcome.as_str(), &second.uid), ("killed", &first.uid));
    assert!(session.stop().unwrap().status.success());
}
