//! One eviction at a time: releases, deadlines and refusals.

use super::*;

#[test]
fn nothing_is_evicted_for_memory_until_a_sample_after_the_cgroup_emptied() {
    let mut node = Node::new(policy(|_| ()), &[user("a", 500), user("b", 400)]);
    assert_eq!(short(&node.look(1, &[(MEMORY, 50)])), ["evict a for memory.available (1)"]);
    assert_eq!(node.look(2, &[(MEMORY, 40)]), [], "in flight");
    node.killed(3, 1);
    assert_eq!(node.look(4, &[(MEMORY, 30)]), [], "killed, not yet empty");
    node.emptied(10, 1);
    assert_eq!(node.look_at_samples(11, 9, &[(MEMORY, 30)]), [], "a sample from before");
    node.pods.remove(0);
    let commands = short(&node.look(12, &[(MEMORY, 60)]));
    assert_eq!(commands, ["released 1 60 true", "evict b for memory.available (2)"]);
}

#[test]
fn disk_waits_for_half_of_the_release_or_for_a_clear_signal() {
    let cases = [
        ("less than half", 50 + 249, false),
        ("half", 50 + 250, true),
        ("clear with min reclaim", 300, true),
        ("fallen further", 10, false),
    ];
    for (name, available, seen) in cases {
        let reclaim = if name.starts_with("clear") { "200" } else { "900" };
        let policy = policy(|maps| {
            maps.minimum_reclaim.insert(NODEFS.name().into(), reclaim.into());
        });
        let mut node = Node::new(policy, &[user("writer", 500)]);
        assert_eq!(node.look(1, &[(NODEFS, 50)]).len(), 1, "{name}");
        assert_eq!(node.look(2, &[(NODEFS, available)]), [], "{name}: no outcome yet");
        node.killed(3, 1);
        node.pods.clear();
        let stale = node.look_at_samples(3, 1, &[(NODEFS, available)]);
        assert_eq!(stale, [], "{name}: a sample from before");
        let released = short(&node.look(4, &[(NODEFS, available)]));
        let expected = format!("released 1 {available} true");
        assert_eq!(released.first() == Some(&expected), seen, "{name}: {released:?}");
    }
}

#[test]
fn a_deadline_ends_the_wait_and_an_empty_pod_is_not_killed_again() {
    let mut node = Node::new(policy(|_| ()), &[user("writer", 500), user("other", 3)]);
    node.look(0, &[(NODEFS, 50)]);
    node.killed(1, 1);
    node.emptied(2, 1);
    assert_eq!(node.evaluator.poll_timeout(), Some(ms(30_000)));
    assert_eq!(node.look(29_999, &[(NODEFS, 49)]), []);
    node.evaluator.handle_timeout(ms(30_000));
    assert_eq!(short(&node.drain()), ["released 1 49 false"]);
    node.pods[0] = with_tasks(user("writer", 500), Some(0));
    let next = short(&node.look(30_001, &[(NODEFS, 49)]));
    assert_eq!(next, ["evict other for nodefs.available (2)"]);
    assert_eq!(node.evaluator.ranking()[0].barred, Some(Bar::Emptied));
}

#[test]
fn a_pod_that_still_has_tasks_after_the_deadline_may_be_picked_again() {
    let mut node = Node::new(policy(|_| ()), &[user("stuck", 500), user("other", 3)]);
    node.look(0, &[(MEMORY, 50)]);
    node.killed(1, 1);
    assert_eq!(
        short(&node.look(10_000, &[(MEMORY, 50)])),
        ["released 1 50 false", "evict stuck for memory.available (2)"]
    );
}

#[test]
fn minimum_reclaim_evicts_until_it_is_reached() {
    let policy = policy(|maps| {
        maps.minimum_reclaim.insert(MEMORY.name().into(), "5%".into());
    });
    let mut node = Node::new(policy, &[user("a", 500), user("b", 400)]);
    node.look(1, &[(MEMORY, 99)]);
    node.emptied(2, 1);
    node.pods.remove(0);
    assert_eq!(node.look(3, &[(MEMORY, 149)]).len(), 2, "L-5: threshold + 50 not reached");
    node.emptied(4, 2);
    assert_eq!(short(&node.look(5, &[(MEMORY, 150)])), ["released 2 150 true"]);
    assert_eq!(node.look(6, &[(MEMORY, 149)]), [], "resolved: only the threshold counts again");
}

#[test]
fn a_refused_kill_frees_the_way_at_once() {
    let pods = [user("first", 500), user("second", 3)];
    for reason in [RefusedReason::Gone, RefusedReason::Reused, RefusedReason::Failed] {
        let mut node = Node::new(policy(|_| ()), &pods);
        node.look(1, &[(MEMORY, 50)]);
        node.refused(2, 1, reason);
        let next = short(&node.look(3, &[(MEMORY, 50)]));
        assert_eq!(next, ["evict second for memory.available (2)"], "{reason:?}");
    }
}

#[test]
fn a_refused_pod_comes_back_with_another_inode_or_after_the_back_off() {
    let hog = user("hog", 500);
    let mut node = Node::new(policy(|_| ()), std::slice::from_ref(&hog));
    node.look(1, &[(MEMORY, 50)]);
    node.refused(2, 1, RefusedReason::Reused);
    assert_eq!(short(&node.look(3, &[(MEMORY, 50)])), ["unable memory.available"]);
    node.pods = vec![with(&hog, |facts| facts.id.cgroup_inode = 8)];
    let at = 1_003; // a resource without candidates is tried again after a second
    assert_eq!(short(&node.look(at, &[(MEMORY, 50)])), ["evict hog for memory.available (2)"]);
    node.refused(at, 2, RefusedReason::Failed);
    assert_eq!(node.evaluator.poll_timeout(), Some(ms(at + 1000)));
    assert_eq!(node.look(at + 999, &[(MEMORY, 50)]), [], "held up, not unable");
    let retry = short(&node.look(at + 1999, &[(MEMORY, 50)]));
    assert_eq!(retry, ["evict hog for memory.available (3)"]);
}

#[test]
fn disk_with_nothing_known_to_expect_waits_for_a_clear_signal() {
    let unknown = pod("unknown", 0, PodUsage::default());
    let mut node = Node::new(policy(|_| ()), &[unknown]);
    node.look(1, &[(NODEFS, 50)]);
    node.killed(2, 1);
    assert_eq!(node.look(3, &[(NODEFS, 99)]), []);
    assert_eq!(short(&node.look(4, &[(NODEFS, 100)])), ["released 1 100 true"]);
}

#[test]
fn a_pod_that_empties_after_the_deadline_is_not_killed_again() {
    let hog = with_tasks(user("hog", 500), None);
    let mut node = Node::new(policy(|_| ()), &[hog, user("other", 3)]);
    node.look(0, &[(NODEFS, 50)]);
    node.killed(1, 1);
    node.evaluator.handle_timeout(ms(30_000));
    assert_eq!(short(&node.drain()), ["released 1 50 false"]);
    node.emptied(30_001, 1);
    let next = short(&node.look(30_002, &[(NODEFS, 50)]));
    assert_eq!(next, ["evict other for nodefs.available (2)"]);
}

fn with_tasks(mut pod: PodObservation, tasks: Option<u64>) -> PodObservation {
    pod.usage.tasks = tasks;
    pod
}
