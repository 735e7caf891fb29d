//! What memory limits did: every event is told once, with its pod and container, whether the kernel gave
//! notice of it or not, and also when the cgroup is gone by then.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use evictd_tests::{
    cgroup::Cgroup,
    container::{enter, tool},
    evictd::{self, Options},
    inbox::{Event, Inbox},
    record::{MemoryEvent, OomVictim, Record},
    session::Session,
};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// The pod whose container `worker` wants too much. It is small, and nobody's offender otherwise.
const POD: &str = "data/cache";
const LIMIT: u64 = 24 << 20;

fn session(more_args: &[&str]) -> Session {
    let mut options = Options::new(&common::evictd_binary(), "observe");
    options.more_args = more_args.iter().map(|&arg| arg.to_owned()).collect();
    Session::start(Inbox::default(), &options).unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// The container `worker`, idle, below its limit.
fn idle_worker(session: &mut Session) -> Cgroup {
    let position = session.position(POD).unwrap();
    let pod = &session.pods()[position];
    let cgroup = pod.cgroup().child(pod.worker_id()).unwrap();
    cgroup.limit_memory(LIMIT).unwrap();
    session.start_worker(POD, &words("idle --mib 1")).unwrap();
    cgroup
}

/// A process in that cgroup that wants that much memory.
fn hog(cgroup: &Cgroup, mib: u64) -> Child {
    let mut command = Command::new(tool("evictd-workload").unwrap());
    command.args(["memory-hog", "--max-mib", &mib.to_string()]).stdout(Stdio::null());
    enter(&mut command, cgroup).unwrap();
    command.spawn().unwrap()
}

/// How often each kind of event was told of a cgroup, and of whom.
fn told(session: &mut Session, cgroup_id: u64) -> BTreeMap<String, u64> {
    let mut told = BTreeMap::new();
    for event in session.inbox().since(0) {
        let Event::Record(record) = event else { continue };
        let Record::MemoryEvent(event) = &**record else { continue };
        if event.cgroup_id == cgroup_id {
            assert_is_the_workers(event.pod.as_deref(), event.container.as_deref());
            *told.entry(event.kind.clone()).or_default() += event.count;
        }
    }
    told
}

#[track_caller]
fn assert_is_the_workers(pod: Option<&str>, container: Option<&str>) {
    assert_eq!((pod, container), (Some("cache"), Some("worker")));
}

/// What the kernel has counted, without what never happened.
fn counted(cgroup: &Cgroup) -> BTreeMap<String, u64> {
    let events = cgroup.memory_events().into_iter().filter(|(_, count)| *count > 0);
    events.map(|(kind, count)| (kind.to_owned(), count)).collect()
}

/// Waits until what was told is what was counted.
fn wait_told(session: &mut Session, cgroup: &Cgroup) {
    let id = cgroup.inode().unwrap();
    let (mut from, wanted) = (0, counted(cgroup));
    while told(session, id) != wanted {
        let next = session.inbox().mark();
        let event = session.inbox().wait_record(from, PATIENCE, "a memory event", |record| {
            matches!(record, Record::MemoryEvent(_)).then_some(())
        });
        if let Err(error) = event {
            panic!("{error}: {:?} of {wanted:?}\n{}", told(session, id), session.log_tail());
        }
        from = next;
    }
}

fn victim(session: &mut Session, from: usize) -> OomVictim {
    let found = session.inbox().wait_record(from, PATIENCE, "a victim", |record| {
        if let Record::OomVictim(victim) = record { Some(victim.clone()) } else { None }
    });
    found.unwrap()
}

fn has_rung(session: &Session, family: &str) -> bool {
    session.started().rungs[family].rung.is_some()
}

fn signal(session: &Session, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(session.evictd_pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn of_kind(kind: &str) -> impl Fn(&Record) -> Option<MemoryEvent> + '_ {
    move |record| {
        let Record::MemoryEvent(event) = record else { return None };
        (event.kind == kind).then(|| event.clone())
    }
}

#[test]
fn every_event_is_told_once_with_and_without_notifications() {
    let _alone = common::alone();
    let none = ["memory_events=none", "oom=none", "reclaim=none", "cgroup_life=none"];
    let none = none.map(|rung| ["--probe-rung", rung]).concat();
    for (name, args) in [("all rungs", &[][..]), ("no rung", &none)] {
        let mut session = session(args);
        println!("{name}: {:?}", session.started().rungs["memory_events"].rung);
        let cgroup = idle_worker(&mut session);
        for _ in 0..3 {
            assert!(!hog(&cgroup, (3 * LIMIT) >> 20).wait().unwrap().success());
        }
        assert!(counted(&cgroup)["oom_kill"] >= 3, "{:?}", counted(&cgroup));
        wait_told(&mut session, &cgroup);
        let (id, wanted) = (cgroup.inode().unwrap(), counted(&cgroup));
        // A tick later nothing is told again.
        let from = session.inbox().mark();
        assert!(!hog(&cgroup, (3 * LIMIT) >> 20).wait().unwrap().success());
        session
            .inbox()
            .wait_record(from, PATIENCE, "the fourth", |record| {
                matches!(record, Record::MemoryEvent(event) if event.kind == "oom_kill")
                    .then_some(())
            })
            .unwrap();
        wait_told(&mut session, &cgroup);
        assert_eq!(told(&mut session, id)["oom_kill"], wanted["oom_kill"] + 1, "{name}");
        assert!(session.stop().unwrap().status.success());
    }
}

#[test]
fn throttling_above_memory_high_is_told() {
    let _alone = common::alone();
    let mut session = session(&[]);
    let cgroup = idle_worker(&mut session);
    let (path, v1) = cgroup.file("memory", "memory.high", "memory.high");
    if v1 {
        println!("cannot run here: cgroup v1 has no memory.high");
        return;
    }
    fs::write(&path, (LIMIT / 2).to_string()).unwrap();
    let mut hog = hog(&cgroup, (LIMIT >> 20) - 8);
    let from = session.inbox().mark();
    let event = session.inbox().wait_record(from, PATIENCE, "throttling", of_kind("high")).unwrap();
    assert_eq!(event.cgroup_id, cgroup.inode().unwrap());
    if has_rung(&session, "memory_events") {
        assert!(event.event_ns.is_some() || event.count > 0, "{event:?}");
    }
    hog.kill().unwrap();
    hog.wait().unwrap();
    wait_told(&mut session, &cgroup);
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn a_victim_is_named_although_its_cgroup_was_gone_before_evictd_looked() {
    let _alone = common::alone();
    let mut session = session(&[]);
    let is_v2 = session.started().cgroup == "v2";
    let cgroup = idle_worker(&mut session);
    let id = cgroup.inode().unwrap();
    wait_known(&session, "worker");

    let from = session.inbox().mark();
    signal(&session, Signal::STOP);
    assert!(!hog(&cgroup, (3 * LIMIT) >> 20).wait().unwrap().success());
    cgroup.remove().unwrap();
    assert!(cgroup.dirs().iter().all(|dir| !dir.exists()), "gone");
    signal(&session, Signal::CONT);

    if has_rung(&session, "oom") {
        let victim = victim(&mut session, from);
        assert_is_the_workers(victim.pod.as_deref(), victim.container.as_deref());
        assert_eq!(victim.cgroup_id, id, "{victim:?}");
    } else {
        println!("cannot run here: no rung tells of victims");
    }
    if is_v2 {
        // Its counts live on in those of the pod.
        let found = session.inbox().wait_record(from, PATIENCE, "the kill", of_kind("oom_kill"));
        let kill = found.unwrap();
        assert_is_the_workers(kill.pod.as_deref(), kill.container.as_deref());
        assert_eq!((kill.cgroup_id, kill.count), (id, 1));
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn events_are_told_although_the_ring_overflowed() {
    let _alone = common::alone();
    let mut session = session(&["--ring-bytes", "4096"]);
    let cgroup = idle_worker(&mut session);
    wait_known(&session, "worker");
    signal(&session, Signal::STOP);
    let dirs = session.node().system().dirs();
    for number in 0..200 {
        let dir = dirs[0].join(format!("flood-{number}"));
        fs::create_dir(&dir).unwrap();
        fs::remove_dir(&dir).unwrap();
    }
    assert!(!hog(&cgroup, (3 * LIMIT) >> 20).wait().unwrap().success());
    signal(&session, Signal::CONT);
    wait_told(&mut session, &cgroup);
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    let drops: u64 = ended.stopped.drops.values().sum();
    assert!(drops > 0, "{:?}", ended.stopped.drops);
}

/// Waits until evictd knows that container of the pod.
fn wait_known(session: &Session, container: &str) {
    let socket = evictd::socket(session.node());
    let row = format!("{POD}/{container}");
    for _ in 0..60 {
        let mut top = Command::new(common::evictd_binary());
        top.args(["top", "--once", "--interval", "100ms", "--filter", &row, "--socket"]);
        let output = top.arg(&socket).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains(&row) {
            return;
        }
    }
    panic!("{row} is not known");
}
