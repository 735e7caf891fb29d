//! Containers come and go as fast as they can: nothing is left of them, and no count is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    env, fs,
    time::{Duration, Instant},
};

use evictd_tests::{
    churn::Churn,
    evictd::{Ended, Evictd, Options},
    inbox::Inbox,
    node::Node,
};

/// Pods that are there at once.
const BATCH: u64 = 25;
/// As many as a node has in five minutes at 500 a minute, or as fit into the time.
const MOST: u64 = 2500;
const SECONDS: u64 = 45;
/// Another time, s: an emulated machine gets through as few pods in any.
const SECONDS_VARIABLE: &str = "EVICTD_CHURN_SECONDS";
const PATIENCE: Duration = Duration::from_secs(60);

fn start(node: &Node, inbox: &mut Inbox, more_args: &[&str]) -> Evictd {
    let mut options = Options::new(&common::evictd_binary(), "observe");
    options.more_args = more_args.iter().map(|&arg| arg.to_owned()).collect();
    let cgroup = node.system().child("evictd").unwrap();
    Evictd::start(node, &cgroup, inbox, &options).unwrap()
}

fn time() -> Duration {
    let wanted = env::var(SECONDS_VARIABLE).map_or(SECONDS, |seconds| seconds.parse().unwrap());
    Duration::from_secs(wanted)
}

/// Lets pods come and go, and checks that nothing is left.
fn churn(most: u64, more_args: &[&str]) -> Ended {
    let node = Node::create().unwrap();
    let mut inbox = Inbox::default();
    let evictd = start(&node, &mut inbox, more_args);
    let mut churn = Churn::new(&node, evictd.pid()).unwrap();
    let begin = Instant::now();
    while churn.totals().containers < most && begin.elapsed() < time() {
        let pods: Vec<_> = (0..BATCH).map(|_| churn.start().unwrap()).collect();
        for pod in pods {
            churn.finish(pod).unwrap();
        }
    }
    let took = begin.elapsed();
    let left = churn.settle(PATIENCE).unwrap();
    println!("{:?} in {took:?}, left: {left:?}", churn.totals());
    assert!(left.is_clean(), "{left:?} of {:?}\n{}", churn.totals(), evictd.log_tail());
    assert_eq!(churn.totals().missed_forks, 0);
    evictd.stop(&mut inbox).unwrap()
}

#[test]
fn containers_that_came_and_went_leave_nothing_and_every_count_is_kept() {
    let _alone = common::alone();
    let ended = churn(MOST, &[]);
    assert!(ended.status.success(), "{}", ended.status);
    println!("from mkdir to known, ns: {:?}", ended.stopped.known_ns);
    assert!(ended.stopped.known_ns.count > 0);
}

#[test]
fn without_word_of_cgroups_their_keys_are_found_and_dropped() {
    let _alone = common::alone();
    let ended = churn(2 * BATCH, &["--probe-rung", "cgroup_life=none"]);
    assert!(ended.status.success(), "{}", ended.status);
}

#[test]
fn keys_of_cgroups_whose_end_was_not_heard_of_are_found_and_dropped() {
    let _alone = common::alone();
    let ended = churn(4 * BATCH, &["--ring-bytes", "4096"]);
    assert!(ended.status.success(), "{}", ended.status);
    println!("drops: {:?}", ended.stopped.drops);
}

#[test]
fn evictd_is_as_before_after_pods_came_and_went_while_it_slept() {
    use rustix::process::{Pid, Signal, kill_process};
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let mut inbox = Inbox::default();
    let evictd = start(&node, &mut inbox, &["--ring-bytes", "4096"]);
    let mut churn = Churn::new(&node, evictd.pid()).unwrap();
    let pid = Pid::from_raw(i32::try_from(evictd.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    for _ in 0..4 {
        let pods: Vec<_> = (0..BATCH).map(|_| churn.start().unwrap()).collect();
        for pod in pods {
            churn.finish(pod).unwrap();
        }
    }
    kill_process(pid, Signal::CONT).unwrap();
    let left = churn.settle(PATIENCE).unwrap();
    assert!(left.is_clean(), "{left:?} of {:?}\n{}", churn.totals(), evictd.log_tail());
    assert_eq!(fs::read_dir(node.manifests_dir()).unwrap().count(), 0);
    let ended = evictd.stop(&mut inbox).unwrap();
    assert!(ended.stopped.drops["cgroup_life"] > 0, "{:?}", ended.stopped.drops);
}
