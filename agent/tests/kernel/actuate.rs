//! Kills.

use std::{
    fs,
    time::{Duration, Instant},
};

use evictd::{
    actuate::{EmptiedWatch, Evicted, Interpreter, KillError, KillMethod, Order, Reaper},
    pods::{Pod, PodIndex},
};
use evictd_core::{
    Eviction, EvictionId, EvictionReason, Format, MonoTime, Outcome, PodRef, Quantity,
    RefusedReason, Signal,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::Signal as ProcessSignal,
};

use crate::{
    allocation,
    cgroups::{Sandbox, Use},
    processes::{Process, Role},
};

const ID: EvictionId = EvictionId(1);
const PATIENCE: Duration = Duration::from_secs(10);

fn eviction(pod: PodRef, signal: Signal) -> Eviction {
    Eviction {
        id: ID,
        pod,
        signal,
        reason: EvictionReason::Threshold,
        hard: true,
        grace: Duration::ZERO,
        grace_override_seconds: 1,
        available: 0,
        quantity: 1,
        quantity_format: Format::BinarySi,
        threshold: Quantity::new(1, Format::BinarySi),
        observed_at: MonoTime::default(),
        decided_at: MonoTime::default(),
        expected_release: 0,
    }
}

fn target(index: &PodIndex, uid: &str) -> PodRef {
    index.by_uid(uid).expect("in the index").facts().id.clone()
}

/// Evicts, and sees to it that no way through the kill path allocates.
fn evict(index: &PodIndex, pod: PodRef, signal: Signal) -> Evicted {
    let eviction = eviction(pod, signal);
    // As the daemon has long done by then: the first reading of the clock may allocate.
    evictd::clock::now();
    let before = allocation::count();
    let evicted = Interpreter::Enforce.evict(&Order::from(&eviction), index);
    assert_eq!(allocation::count() - before, 0, "allocations on the kill path");
    evicted
}

fn refused(evicted: &Evicted) -> Option<RefusedReason> {
    match evicted.outcome {
        Outcome::Refused { reason, .. } => Some(reason),
        Outcome::Killed { .. }
        | Outcome::Observed { .. }
        | Outcome::Emptied { .. }
        | Outcome::Asked { .. }
        | Outcome::Accepted { .. }
        | Outcome::Reclaimed { .. } => None,
    }
}

/// Waits as the daemon does: on the descriptor while that can tell, else by asking again.
fn wait_emptied(watch: &EmptiedWatch) {
    let deadline = Instant::now() + PATIENCE;
    while !watch.is_empty() {
        assert!(Instant::now() < deadline, "the cgroup does not empty");
        let tick = if watch.needs_polling() { 1_000_000 } else { 999_000_000 };
        let timeout = Timespec { tv_sec: 0, tv_nsec: tick };
        let fds = watch.events().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::PRI));
        poll(fds.into_iter().collect::<Vec<_>>().as_mut_slice(), Some(&timeout)).expect("poll");
    }
}

fn assert_killed(evicted: &Evicted, method: KillMethod) {
    assert_eq!(evicted.outcome, Outcome::Killed { id: ID }, "{:?}", evicted.error);
    assert_eq!(evicted.killed.map(|k| k.method), Some(method));
    wait_emptied(evicted.emptied.as_ref().expect("watched"));
}

#[test]
fn kernel_cgroup_kill_kills_a_process_tree() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    let other = sandbox.add_pod("b", "{}");
    let process = Process::start(&sandbox.entrances(&format!("{cgroup}/c")), Role::Tree(4));
    let mut innocent = Process::start(&sandbox.entrances(&format!("{other}/c")), Role::Tree(0));
    let index = sandbox.index();
    let tasks = index.by_uid("a").and_then(|p| p.counters()?.tasks());
    assert_eq!(tasks, Some(5));

    let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
    assert_killed(&evicted, KillMethod::CgroupKill);
    assert_eq!(process.wait(), Some(ProcessSignal::KILL.as_raw()));
    assert!(innocent.is_alive());
}

#[test]
fn kernel_a_memory_victim_is_killed_and_released() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    let process = Process::start(&sandbox.entrances(&format!("{cgroup}/c")), Role::Hog(96 << 20));
    let index = sandbox.index();
    let reaper = Reaper::start();
    let mut evicted = evict(&index, target(&index, "a"), Signal::MemoryAvailable);
    reaper.release(evicted.large.take().expect("pinned before the kill"));
    assert_killed(&evicted, KillMethod::CgroupKill);
    assert_eq!(process.wait(), Some(ProcessSignal::KILL.as_raw()));
}

#[test]
fn kernel_a_cgroup_is_seen_to_empty() {
    for wanted in [Use::All, Use::V2, Use::V1] {
        let Some(sandbox) = Sandbox::new(wanted) else {
            continue;
        };
        let cgroup = sandbox.add_pod("a", "{}");
        let process = Process::start(&sandbox.entrances(&format!("{cgroup}/c")), Role::Tree(1));
        let index = sandbox.index();
        let pod = index.by_uid("a").and_then(Pod::cgroup).expect("joined");
        let watch = EmptiedWatch::new(pod);
        assert!(!watch.is_empty(), "two tasks");
        assert_eq!(watch.events().is_none(), wanted == Use::V1);
        let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
        assert_eq!(evicted.outcome, Outcome::Killed { id: ID }, "{:?}", evicted.error);
        wait_emptied(&watch);
        assert_eq!(process.wait(), Some(ProcessSignal::KILL.as_raw()));
        sandbox.remove(&format!("{cgroup}/c"));
        sandbox.remove(&cgroup);
        assert!(watch.is_empty(), "removed");
    }
}

fn sweep_kills_what_never_stays_one_process(wanted: Use) {
    let Some(sandbox) = Sandbox::new(wanted) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    sandbox.set("pids", &cgroup, "pids.max", "pids.max", "16");
    let entrances = sandbox.entrances(&format!("{cgroup}/c"));
    let _processes = [Role::Hopper, Role::Hopper].map(|role| Process::start(&entrances, role));
    let index = sandbox.index();
    let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
    assert_killed(&evicted, KillMethod::Sweep);
}

#[test]
fn kernel_v1_freeze_sweep_kills_what_never_stays_one_process() {
    sweep_kills_what_never_stays_one_process(Use::V1);
}

#[test]
fn kernel_v1_sweep_without_freezer_kills_what_never_stays_one_process() {
    sweep_kills_what_never_stays_one_process(Use::V1WithoutFreezer);
}

fn sweep_kills_a_fork_bomb(wanted: Use) {
    let Some(sandbox) = Sandbox::new(wanted) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    sandbox.set("pids", &cgroup, "pids.max", "pids.max", "64");
    let entrances = sandbox.entrances(&format!("{cgroup}/c"));
    let _processes: Vec<_> = [Role::Hopper, Role::Hopper, Role::Hopper, Role::Bomb]
        .into_iter()
        .map(|role| Process::start(&entrances, role))
        .collect();
    let index = sandbox.index();
    let pod = index.by_uid("a").expect("in the index");
    let deadline = Instant::now() + PATIENCE;
    while pod.counters().and_then(evictd::sample::PodCounters::tasks) < Some(60) {
        assert!(Instant::now() < deadline, "the bomb does not go off");
        std::thread::yield_now();
    }
    let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
    assert_killed(&evicted, KillMethod::Sweep);
}

#[test]
fn kernel_v1_freeze_sweep_kills_a_fork_bomb() {
    sweep_kills_a_fork_bomb(Use::V1);
}

#[test]
fn kernel_v1_sweep_without_freezer_kills_a_fork_bomb() {
    sweep_kills_a_fork_bomb(Use::V1WithoutFreezer);
}

#[test]
fn kernel_v1_sweep_kills_a_paused_container() {
    let Some(sandbox) = Sandbox::new(Use::V1) else {
        return;
    };
    let cgroup = format!("{}/c", sandbox.add_pod("a", "{}"));
    let process = Process::start(&sandbox.entrances(&cgroup), Role::Tree(1));
    let freezer = sandbox.mounts().freezer.clone().expect("freezer");
    let root = sandbox.layout().cgroup_root;
    let dir = freezer.join(root.strip_prefix("/").expect("absolute")).join(&cgroup);
    fs::write(dir.join("freezer.state"), "FROZEN").expect("freeze");
    let index = sandbox.index();
    let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
    assert_killed(&evicted, KillMethod::Sweep);
    assert_eq!(process.wait(), Some(ProcessSignal::KILL.as_raw()));
}

#[test]
fn kernel_hybrid_kill_reaches_processes_that_are_in_v1_only() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    if sandbox.mounts().memory.is_none() {
        println!("cannot run here: no cgroup v1 hierarchy is mounted");
        return;
    }
    let cgroup = sandbox.add_pod("a", "{}");
    let process = Process::start(&sandbox.v1_entrances(&format!("{cgroup}/c")), Role::Tree(2));
    let index = sandbox.index();
    let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
    assert_killed(&evicted, KillMethod::CgroupKill);
    assert_eq!(process.wait(), Some(ProcessSignal::KILL.as_raw()));
}

#[test]
fn kernel_a_cgroup_removed_after_the_decision_is_gone() {
    for wanted in [Use::All, Use::V1] {
        let Some(sandbox) = Sandbox::new(wanted) else {
            continue;
        };
        let cgroup = sandbox.add_pod("a", "{}");
        let mut index = sandbox.index();
        let decided = target(&index, "a");
        sandbox.remove(&format!("{cgroup}/c"));
        sandbox.remove(&cgroup);

        let evicted = evict(&index, decided.clone(), Signal::MemoryAvailable);
        assert_eq!(refused(&evicted), Some(RefusedReason::Gone), "not seen yet");
        assert!(index.refresh());
        assert_eq!(target(&index, "a").cgroup_inode, 0);
        let evicted = evict(&index, decided.clone(), Signal::MemoryAvailable);
        assert_eq!(refused(&evicted), Some(RefusedReason::Gone), "seen");
        fs::remove_file(sandbox.files.path().join("pods/a.yaml")).expect("remove");
        assert_eq!(index.reload_if_changed(), Ok(true));
        let evicted = evict(&index, decided, Signal::MemoryAvailable);
        assert_eq!(evicted.error, Some(KillError::UnknownPod));
    }
}

#[test]
fn kernel_a_cgroup_made_anew_is_not_touched() {
    for wanted in [Use::All, Use::V1] {
        let Some(sandbox) = Sandbox::new(wanted) else {
            continue;
        };
        let cgroup = sandbox.add_pod("a", "{}");
        let (mut index, stale) = (sandbox.index(), sandbox.index());
        let decided = target(&index, "a");
        sandbox.remove(&format!("{cgroup}/c"));
        sandbox.remove(&cgroup);
        sandbox.make(&format!("{cgroup}/c"));
        let container = sandbox.entrances(&format!("{cgroup}/c"));
        let mut process = Process::start(&container, Role::Tree(0));
        let found = sandbox.inode(&cgroup);

        for refreshed in [false, true] {
            if refreshed {
                assert!(index.refresh());
            }
            let evicted = evict(&index, decided.clone(), Signal::MemoryAvailable);
            assert_eq!(refused(&evicted), Some(RefusedReason::Reused), "{refreshed}");
            let expected = KillError::Reused { decided: decided.cgroup_inode, found };
            assert_eq!(evicted.error, Some(expected), "{refreshed}");
            assert!(process.is_alive(), "{refreshed}");
        }
        let evicted = evict(&stale, target(&index, "a"), Signal::MemoryAvailable);
        assert_eq!(refused(&evicted), Some(RefusedReason::Reused), "held open is another");
        assert!(process.is_alive());
        let evicted = evict(&index, target(&index, "a"), Signal::MemoryAvailable);
        assert_eq!(evicted.outcome, Outcome::Killed { id: ID });
    }
}

#[test]
fn kernel_observing_touches_nothing() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    let container = sandbox.entrances(&format!("{cgroup}/c"));
    let mut process = Process::start(&container, Role::Tree(0));
    let index = sandbox.index();
    let command = eviction(target(&index, "a"), Signal::PidAvailable);
    let evicted = Interpreter::Observe.evict(&Order::from(&command), &index);
    assert_eq!(evicted.outcome, Outcome::Observed { id: ID });
    assert!(evicted.killed.is_none() && evicted.emptied.is_none());
    assert!(process.is_alive());
}

#[test]
fn kernel_a_static_pod_is_not_killed_even_when_asked() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{kubernetes.io/config.source: file}");
    let container = sandbox.entrances(&format!("{cgroup}/c"));
    let mut process = Process::start(&container, Role::Tree(0));
    let index = sandbox.index();
    let evicted = evict(&index, target(&index, "a"), Signal::PidAvailable);
    assert_eq!(evicted.error, Some(KillError::Protected));
    assert_eq!(refused(&evicted), Some(RefusedReason::Failed));
    assert!(process.is_alive());
}
