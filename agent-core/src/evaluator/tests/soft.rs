//! Grace periods, conditions and changes of policy.

use super::*;

#[test]
fn soft_thresholds_wait_for_their_grace_and_give_the_pod_its_own() {
    let mut policy = policy(|maps| soft_memory(maps, "300", "10ms"));
    policy.max_pod_grace = Duration::from_secs(60);
    let mut node = Node::new(policy, &[user("hog", 500)]);
    assert_eq!(node.look(1, &[(MEMORY, 200)]), []);
    assert_eq!(node.evaluator.poll_timeout(), Some(ms(11)));
    assert_eq!(node.look(10, &[(MEMORY, 200)]), []);
    let [Command::Evict(eviction)] = &node.look(11, &[(MEMORY, 200)])[..] else { panic!() };
    assert!(!eviction.hard);
    assert_eq!(eviction.grace, Duration::from_secs(30), "K-2: the pod's own is smaller");
    assert_eq!(node.evaluator.poll_timeout(), Some(ms(11 + 30_000 + 10_000)));
}

#[test]
fn a_soft_eviction_in_its_grace_becomes_hard_when_the_hard_threshold_is_crossed() {
    let mut policy = policy(|maps| soft_memory(maps, "300", "0.001ms"));
    policy.max_pod_grace = Duration::from_secs(60);
    let mut node = Node::new(policy, &[user("hog", 500), user("other", 5)]);
    node.look(1, &[(MEMORY, 200)]);
    assert_eq!(short(&node.look(2, &[(MEMORY, 200)])), ["evict hog for memory.available (1)"]);
    assert_eq!(node.look_at_samples(3, 2, &[(MEMORY, 99)]), [], "a stale sample changes nothing");
    let commands = node.look(4, &[(MEMORY, 99)]);
    let text = short(&commands);
    assert_eq!(text, ["released 1 99 false", "evict hog for memory.available (2)"]);
    assert!(matches!(&commands[1], Command::Evict(e) if e.hard && e.grace.is_zero()));
    assert_eq!(node.look(5, &[(MEMORY, 90)]), []);
}

/// A node with a soft and a hard memory threshold whose soft eviction of `hog` the API server was
/// asked for at 2 ms.
fn asked() -> Node {
    let mut policy = policy(|maps| soft_memory(maps, "300", "0.001ms"));
    policy.max_pod_grace = Duration::from_secs(60);
    let mut node = Node::new(policy, &[user("hog", 500), user("other", 5)]);
    node.look(1, &[(MEMORY, 200)]);
    assert_eq!(short(&node.look(2, &[(MEMORY, 200)])), ["evict hog for memory.available (1)"]);
    assert_eq!(node.outcome(2, &Outcome::Asked { id: EvictionId(1) }), []);
    node
}

const DISRUPTION: RefusedReason =
    RefusedReason::Disruption { retry_after: Duration::from_millis(500) };
const UNANSWERED: RefusedReason =
    RefusedReason::Unanswered { retry_after: Duration::from_millis(500) };

#[test]
fn a_pod_that_a_disruption_budget_protects_gives_way_to_the_next() {
    for reason in [DISRUPTION, UNANSWERED] {
        let mut node = asked();
        assert_eq!(node.look(3, &[(MEMORY, 200)]), [], "the answer is waited for");
        node.refused(4, 1, reason);
        let next = short(&node.look(5, &[(MEMORY, 200)]));
        assert_eq!(next, ["evict other for memory.available (2)"], "{reason:?}");
        node.refused(6, 2, reason);
        assert_eq!(node.evaluator.poll_timeout(), Some(ms(504)), "the first may be asked again");
        node.look(7, &[(MEMORY, 200)]);
        let again = short(&node.look(1_500, &[(MEMORY, 200)]));
        assert_eq!(again, ["evict hog for memory.available (3)"], "{reason:?}");
    }
}

#[test]
fn that_all_are_refused_is_told_unless_nobody_could_be_asked() {
    for (reason, told) in [(DISRUPTION, &["unable memory.available"][..]), (UNANSWERED, &[])] {
        let mut node = asked();
        node.pods.truncate(1);
        node.refused(3, 1, reason);
        assert_eq!(short(&node.look(4, &[(MEMORY, 200)])), told);
    }
}

#[test]
fn a_hard_threshold_asks_nobody() {
    for reason in [DISRUPTION, UNANSWERED] {
        let mut node = asked();
        node.refused(3, 1, reason);
        let commands = node.look(4, &[(MEMORY, 99)]);
        assert_eq!(short(&commands), ["evict hog for memory.available (2)"]);
        assert!(matches!(&commands[0], Command::Evict(e) if e.hard && e.grace.is_zero()));
    }
}

#[test]
fn a_hard_threshold_ends_the_wait_for_an_answer_and_for_the_kubelet() {
    let hard = ["released 1 99 false", "evict hog for memory.available (2)"];
    let mut node = asked();
    assert_eq!(short(&node.look(3, &[(MEMORY, 99)])), hard, "no answer yet");
    node.refused(4, 1, DISRUPTION);
    assert_eq!(node.look(5, &[(MEMORY, 98)]), [], "a late answer changes nothing");

    let mut node = asked();
    node.outcome(10, &Outcome::Accepted { id: EvictionId(1) });
    let late = 10 + 30_000 + 5_000;
    assert_eq!(short(&node.look(late, &[(MEMORY, 99)])), hard, "the kubelet has not ended it");

    let mut node = asked();
    node.outcome(10, &Outcome::Accepted { id: EvictionId(1) });
    node.emptied(11, 1);
    let next = ["released 1 99 true", "evict hog for memory.available (2)"];
    assert_eq!(short(&node.look(12, &[(MEMORY, 99)])), next, "it has: ranked anew");
}

#[test]
fn the_grace_of_an_asked_pod_begins_when_the_api_server_accepts() {
    let mut node = asked();
    let answered = 2 + 30_000 + 30_000 + 10_000;
    assert_eq!(node.evaluator.poll_timeout(), Some(ms(answered)), "answer, grace and release");
    node.outcome(900, &Outcome::Accepted { id: EvictionId(1) });
    assert_eq!(node.evaluator.poll_timeout(), Some(ms(900 + 30_000 + 10_000)));
    node.look(901, &[(MEMORY, 200)]);
    node.emptied(902, 1);
    assert_eq!(short(&node.look(903, &[(MEMORY, 400)])), ["released 1 400 true"]);
}

#[test]
fn conditions_follow_the_threshold_not_the_grace() {
    let mut node = Node::new(policy(|maps| soft_memory(maps, "300", "1h")), &[]);
    let mut change = |at, available| {
        let seen = SignalObservation { available, capacity: 0, at: Some(ms(at)) };
        let mut observation = Observation::default();
        observation.signals.set(MEMORY, Some(seen));
        node.evaluator.handle_observation(&observation, ms(at));
        let commands: Vec<_> = std::iter::from_fn(|| node.evaluator.poll_command()).collect();
        short(&commands)
    };
    assert_eq!(change(1, 299), ["MemoryPressure true"], "E-53");
    assert_eq!(change(2, 300), [""; 0]);
    assert_eq!(change(300_000, 300), [""; 0]);
    assert_eq!(change(300_001, 300), ["MemoryPressure false"], "E-41");
}

#[test]
fn a_new_policy_keeps_the_timers_of_thresholds_that_stay() {
    let with_soft = || policy(|maps| soft_memory(maps, "300", "10ms"));
    let mut node = Node::new(with_soft(), &[user("hog", 5)]);
    node.look(1, &[(MEMORY, 200)]);
    let mut changed = with_soft();
    changed.thresholds.remove(0);
    node.evaluator.set_policy(changed, ms(5));
    assert_eq!(node.look(11, &[(MEMORY, 200)]).len(), 1, "timer kept");
    let mut node = Node::new(with_soft(), &[user("hog", 5)]);
    node.look(1, &[(MEMORY, 200)]);
    node.evaluator.set_policy(policy(|maps| soft_memory(maps, "301", "10ms")), ms(5));
    assert_eq!(node.look(11, &[(MEMORY, 200)]), [], "another threshold: timer anew");
}
