//! Which threshold is served, and when none is.

use super::*;

#[test]
fn due_thresholds_are_served_in_a_fixed_order() {
    use Semantics::{Kubelet, Strict};
    type Case = (&'static str, Semantics, &'static [(Signal, i64)], Option<(Signal, bool)>);
    let cases: [Case; 5] = [
        ("memory first", Strict, &[(NODEFS, 1), (MEMORY, 1), (PIDS, 1)], Some((MEMORY, true))),
        ("disk before pids", Strict, &[(PIDS, 1), (NODEFS, 1)], Some((NODEFS, true))),
        ("E-2 hard before soft", Strict, &[(MEMORY, 200), (NODEFS, 1)], Some((NODEFS, true))),
        ("kubelet: memory first", Kubelet, &[(MEMORY, 200), (NODEFS, 1)], Some((MEMORY, false))),
        ("none met", Strict, &[(MEMORY, 300), (NODEFS, 100)], None),
    ];
    for (name, semantics, seen, expected) in cases {
        let mut policy = policy(|maps| soft_memory(maps, "300", "1ns"));
        policy.semantics = semantics;
        let mut node = Node::new(policy, &[user("hog", 500)]);
        let mut warm = NodeSignals::default();
        for &(signal, available) in seen {
            warm.set(signal, Some(SignalObservation { available, capacity: 0, at: None }));
        }
        let soft_started = Observation { signals: warm, ..Observation::default() };
        node.evaluator.handle_observation(&soft_started, ms(1));
        node.drain();
        let chosen = match node.look(2, seen).first() {
            Some(Command::Evict(e)) => Some((e.signal, e.hard)),
            _ => None,
        };
        assert_eq!(chosen, expected, "{name}");
    }
}

#[test]
fn resources_are_evicted_for_side_by_side_only_in_strict_semantics() {
    for (semantics, second) in
        [(Semantics::Strict, &["evict b for nodefs.available (2)"][..]), (Semantics::Kubelet, &[])]
    {
        let mut policy = policy(|_| ());
        policy.semantics = semantics;
        let mut node = Node::new(policy, &[user("a", 500), user("b", 5)]);
        let both = [(MEMORY, 50), (NODEFS, 50)];
        assert_eq!(short(&node.look(1, &both)), ["evict a for memory.available (1)"]);
        assert_eq!(short(&node.look(2, &both)), second, "{semantics:?}");
    }
}

#[test]
fn disk_is_handled_although_memory_has_only_protected_pods() {
    let user = user("user", 5);
    type Protect = fn(&mut PodFacts);
    let protected: [(&str, Protect); 4] = [
        ("static", |facts| facts.is_static = true),
        ("critical", |facts| facts.priority = 2_000_000_000),
        ("protected", |facts| facts.protected = true),
        ("without cgroup", |facts| facts.id.cgroup_inode = 0),
    ];
    for (name, protect) in protected {
        let mut node = Node::new(policy(|_| ()), &[with(&user, protect)]);
        let both = [(MEMORY, 50), (NODEFS, 50)];
        assert_eq!(short(&node.look(1, &both)), ["unable memory.available"], "{name}");
        assert_eq!(short(&node.look(2, &both)), ["unable nodefs.available"], "{name}: E-4");
        assert_eq!(node.look(1_500, &both), [], "{name}: said once");
        node.pods.push(user.clone());
        let late = short(&node.look(3_000, &both));
        assert_eq!(late, ["evict user for memory.available (1)"], "{name}: tried again");
    }
}

#[test]
fn stale_partial_and_unread_observations_evict_nothing() {
    let mut node = Node::new(policy(|_| ()), &[user("a", 500), user("b", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    node.refused(1, 1, RefusedReason::Gone);
    assert_eq!(node.look_at_samples(2, 1, &[(MEMORY, 50)]), [], "E-18: same sample");
    assert_eq!(node.look(3, &[]), [], "nothing known");
    assert_eq!(node.look_at_samples(4, 1, &[(MEMORY, 50)]), [], "same sample after a gap");
    let mut signals = NodeSignals::default();
    let seen = SignalObservation { available: 50, capacity: 0, at: Some(ms(5)) };
    signals.set(MEMORY, Some(seen));
    let unread =
        Observation { signals, usage_for: None, pods: node.pods.clone(), ..Observation::default() };
    node.evaluator.handle_observation(&unread, ms(5));
    assert_eq!(node.drain(), [], "pods not looked at");
    assert_eq!(short(&node.look(6, &[(MEMORY, 50)])), ["evict b for memory.available (2)"]);
}

#[test]
fn pods_need_not_be_read_while_nothing_is_due() {
    let mut node = Node::new(policy(|_| ()), &[user("a", 500)]);
    let wanted = |node: &Node, at, available| {
        let mut signals = NodeSignals::default();
        let seen = SignalObservation { available, capacity: 0, at: Some(ms(at)) };
        signals.set(PIDS, Some(seen));
        node.evaluator.usage_wanted(&signals, ms(at))
    };
    assert_eq!(wanted(&node, 1, 100), None, "not met");
    assert_eq!(wanted(&node, 1, 99), Some(PIDS), "due");
    node.look(1, &[(PIDS, 99)]);
    assert_eq!(wanted(&node, 2, 99), None, "waiting for a release");
    node.emptied(3, 1);
    assert_eq!(wanted(&node, 4, 99), Some(PIDS), "this very sample ends the wait");
}
