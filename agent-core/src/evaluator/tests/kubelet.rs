//! What only kubelet semantics do, beside what recordings of the kubelet show.

use super::*;
use crate::{Decision, Summary};

const CONTAINERFS_INODES: Signal = Signal::ContainerfsInodesFree;

/// A node whose pods come with a whole summary.
fn node(change: impl FnOnce(&mut EvictionMaps), pods: &[PodObservation]) -> Node {
    let mut policy = policy(change);
    policy.semantics = Semantics::Kubelet;
    Node::new(policy, pods)
}

impl Node {
    /// One evaluation of a whole summary; gives what was commanded, in short, and how it ended.
    fn summary(&mut self, at: u64, seen: &[(Signal, i64)]) -> (Vec<String>, Decision) {
        let mut signals = NodeSignals::default();
        for &(signal, available) in seen {
            let at = Some(ms(at));
            signals.set(signal, Some(SignalObservation { available, capacity: 1000, at }));
        }
        let pods = self.pods.clone();
        let summary = Summary::Whole;
        let o = Observation {
            signals,
            usage_for: Some(MEMORY),
            pods,
            summary,
            ..Observation::default()
        };
        self.evaluator.handle_observation(&o, ms(at));
        (short(&self.drain()), self.evaluator.decision().clone())
    }
}

/// A threshold that the user set on containerfs and that was met while it was in force goes on until
/// it is resolved (T-16, L-5).
#[test]
fn an_overwritten_threshold_lingers_until_it_is_resolved() {
    let mut node = node(
        |maps| {
            maps.hard = [("containerfs.inodesFree", "500"), ("nodefs.inodesFree", "100")]
                .map(|(signal, value)| (signal.to_owned(), value.to_owned()))
                .into();
        },
        &[],
    );
    let steps =
        [("met", 300, 1), ("unresolved", 300, 1), ("resolved", 600, 0), ("forgotten", 300, 0)];
    for (i, (name, available, met)) in steps.into_iter().enumerate() {
        node.summary(i as u64, &[(CONTAINERFS_INODES, available)]);
        node.outcome(i as u64, &Outcome::Reclaimed { signals: None });
        assert_eq!(node.evaluator.thresholds_met().count(), met, "{name}");
    }
}

#[test]
fn while_the_node_frees_something_nothing_is_decided() {
    let mut node = node(|_| (), &[user("a", 5)]);
    let (commands, decision) = node.summary(1, &[(NODEFS, 50)]);
    assert_eq!(commands, ["reclaim [DeadContainers, UnusedImages] for nodefs.available"]);
    assert_eq!(decision, Decision::Reclaiming);
    let (commands, _) = node.summary(2, &[(NODEFS, 50), (MEMORY, 50)]);
    assert_eq!(commands, [""; 0]);
    let after = node.outcome(3, &Outcome::Reclaimed { signals: None });
    assert_eq!(short(&after), ["evict a for nodefs.available (1)"]);
    assert_eq!(*node.evaluator.decision(), Decision::Evicted);
}

#[test]
fn freeing_that_never_ends_is_given_up() {
    let mut node = node(|_| (), &[user("a", 5)]);
    node.summary(1, &[(NODEFS, 50)]);
    let deadline = node.evaluator.poll_timeout().unwrap();
    node.evaluator.handle_timeout(deadline);
    let late = node.outcome(200_000, &Outcome::Reclaimed { signals: None });
    assert_eq!(late, [], "nothing waits for it any more");
}

/// L-2: at most half a minute, counted from the end of the pod's grace.
#[test]
fn clean_up_is_waited_for_but_not_for_ever() {
    let mut node = node(|_| (), &[user("a", 9), user("b", 5)]);
    assert_eq!(node.summary(1, &[(MEMORY, 50)]).0, ["evict a for memory.available (1)"]);
    node.pods.remove(0);
    assert_eq!(node.summary(30_000, &[(MEMORY, 50)]).0, [""; 0]);
    let (commands, _) = node.summary(30_001, &[(MEMORY, 50)]);
    assert_eq!(commands[0], "released 1 50 false");
    assert_eq!(node.summary(30_002, &[(MEMORY, 50)]).1, Decision::Waiting);
}
