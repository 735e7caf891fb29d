//! Observe mode: releases are simulated.

use super::*;

fn observed(node: &mut Node, at: u64, id: u64) -> Vec<String> {
    short(&node.outcome(at, &Outcome::Observed { id: EvictionId(id) }))
}

#[test]
fn the_release_is_credited_and_the_pod_counted_as_gone() {
    let mut node = Node::new(policy(|_| ()), &[user("hog", 60), user("other", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    assert_eq!(observed(&mut node, 2, 1), ["released 1 110 true"]);
    assert_eq!(node.look(3, &[(MEMORY, 45)]), [], "45 + 60 is clear");
    // What the others take is not made up for by the credit.
    let second = short(&node.look(4, &[(MEMORY, 39)]));
    assert_eq!(second, ["evict other for memory.available (2)"]);
    assert_eq!(node.evaluator.ranking()[0].barred, Some(Bar::Simulated));
}

#[test]
fn the_credit_follows_a_victim_that_goes_on_growing() {
    let mut node = Node::new(policy(|_| ()), &[user("hog", 60), user("other", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    observed(&mut node, 2, 1);
    node.pods[0] = user("hog", 105);
    assert_eq!(node.look(3, &[(MEMORY, 5)]), [], "the hog took it, and the hog would be gone");
}

#[test]
fn the_credit_ends_when_the_signal_is_clear_by_itself() {
    let mut node = Node::new(policy(|_| ()), &[user("hog", 60), user("other", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    observed(&mut node, 2, 1);
    assert_eq!(node.look(3, &[(MEMORY, 100)]), []);
    let again = short(&node.look(4, &[(MEMORY, 99)]));
    assert_eq!(again, ["evict hog for memory.available (2)"], "a new incident");
}

#[test]
fn the_credit_ends_when_the_pod_is_gone() {
    let mut node = Node::new(policy(|_| ()), &[user("hog", 60), user("other", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    observed(&mut node, 2, 1);
    node.pods.remove(0);
    assert_eq!(node.look(500, &[(MEMORY, 50)]), [], "looked for only once a second");
    assert_eq!(short(&node.look(1_002, &[(MEMORY, 50)])), ["evict other for memory.available (2)"]);
}

#[test]
fn the_credit_counts_for_every_signal_of_the_same_thing() {
    let policy = policy(|maps| maps.enforce_pods = true);
    let allocatable = Signal::AllocatableMemoryAvailable;
    let mut node = Node::new(policy, &[user("hog", 60), user("other", 5)]);
    let seen = [(MEMORY, 90), (allocatable, 50)];
    assert_eq!(node.look(1, &seen).len(), 1);
    observed(&mut node, 2, 1);
    assert_eq!(node.look(3, &seen), []);
}

#[test]
fn a_ranking_does_not_outlive_the_pods_it_points_into() {
    let mut node = Node::new(policy(|_| ()), &[user("hog", 60), user("other", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    assert_eq!(node.evaluator.ranking().len(), 2);
    observed(&mut node, 2, 1);
    assert_eq!(node.look(500, &[(MEMORY, 50)]), [], "pods are not read");
    assert_eq!(node.evaluator.ranking().len(), 2);
    assert_eq!(node.look(1_002, &[(MEMORY, 50)]), [], "pods are read, nobody is ranked");
    assert_eq!(node.evaluator.ranking(), []);
}

#[test]
fn the_credit_ends_with_the_policy() {
    let mut node = Node::new(policy(|_| ()), &[user("hog", 60), user("other", 5)]);
    node.look(1, &[(MEMORY, 50)]);
    observed(&mut node, 2, 1);
    assert_eq!(node.look(3, &[(MEMORY, 50)]), []);
    node.evaluator.set_policy(policy(|_| ()), ms(4));
    let again = short(&node.look(5, &[(MEMORY, 50)]));
    assert_eq!(again, ["evict hog for memory.available (2)"], "the mode may be another now");
}
