//! Which threshold is acted on.

use evictd_core::{
    Command, EvictionMaps, Outcome, PodStats,
    Semantics::{self, Kubelet, Strict},
    Summary,
};

use crate::node::{MEMORY, NODEFS, Node, PIDS, hard, map, memory_user, pod, with_stats};

#[test]
fn e2_a_hard_threshold_goes_before_a_soft_one() {
    let maps = EvictionMaps {
        soft: map(&[(MEMORY, "300")]),
        soft_grace_period: map(&[(MEMORY, "1s")]),
        ..hard(&[(PIDS, "100")])
    };
    for (semantics, evicted) in
        [(Kubelet, "evict a for memory.available"), (Strict, "evict a for pid.available")]
    {
        let mut node = Node::new(semantics, &maps, &[memory_user("a", 5)]);
        node.look(1, &[(MEMORY, 200), (PIDS, 500)]);
        assert_eq!(node.look(2, &[(MEMORY, 200), (PIDS, 50)]), [evicted], "{semantics:?}");
    }
}

/// The kubelet serves one of them by chance; evictd has one order in both semantics.
#[test]
fn e3_of_two_thresholds_always_the_same_is_served() {
    for semantics in [Kubelet, Strict] {
        for order in [[NODEFS, PIDS], [PIDS, NODEFS]] {
            let mut node = Node::new(semantics, &hard(&[]), &[memory_user("a", 5)]);
            let mut policy = node.evaluator.policy().clone();
            for signal in order {
                let maps = hard(&[(signal, "100")]);
                policy.thresholds.extend(evictd_core::Policy::parse(&maps).unwrap().thresholds);
            }
            policy.node_reclaim = evictd_core::NodeReclaim::Never;
            node = Node::with_policy(policy, &[memory_user("a", 5)]);
            let commands = node.look(1, &[(NODEFS, 50), (PIDS, 50)]);
            assert!(commands[0].ends_with("for nodefs.available"), "{semantics:?}: {commands:?}");
        }
    }
}

#[test]
fn e4_a_disk_is_handled_although_nobody_can_be_evicted_for_memory() {
    let critical = pod("critical", |facts, usage| {
        facts.priority = 2_000_000_000;
        usage.memory_working_set = Some(500);
    });
    let maps = hard(&[(MEMORY, "100"), (NODEFS, "100")]);
    let seen = [(MEMORY, 50), (NODEFS, 50)];
    for (semantics, second) in [
        (Kubelet, &["unable for memory.available"; 0][..]),
        (Strict, &["reclaim for nodefs.available"]),
    ] {
        let mut node = Node::new(semantics, &maps, std::slice::from_ref(&critical));
        assert_eq!(node.look(1, &seen), ["unable for memory.available"], "{semantics:?}");
        // The kubelet says it of memory again and again; once is enough here.
        assert_eq!(node.look_at_samples(1, 2, &seen), second, "{semantics:?}");
    }
}

#[test]
fn e17_what_is_known_is_evaluated_although_the_summary_failed() {
    for (semantics, evicted) in
        [(Kubelet, &[][..]), (Strict, &["evict a for memory.available"][..])]
    {
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &[memory_user("a", 5)]);
        node.summary = Summary::Failed;
        assert_eq!(node.look(1, &[(MEMORY, 50)]), evicted, "{semantics:?}");
        let pressure = node.evaluator.conditions().iter().count();
        assert_eq!(pressure, usize::from(semantics == Strict), "{semantics:?}");
    }
}

/// Two wake-ups for one crossing: the kubelet may run both at once and evict twice. evictd has one
/// owner of its state, so in kubelet semantics too the second finds the first under way.
#[test]
fn e47_one_crossing_evicts_one_pod() {
    for semantics in [Kubelet, Strict] {
        let pods = [memory_user("a", 9), memory_user("b", 5)];
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &pods);
        assert_eq!(node.look(1, &[(MEMORY, 50)]), ["evict a for memory.available"]);
        // Events that arrived during the evaluation, before the kill is done and after.
        assert_eq!(node.look(2, &[(MEMORY, 50)]), [""; 0], "{semantics:?}");
        node.evaluator.handle_timeout(crate::node::at(2));
        node.outcome(2, &Outcome::Killed { id: evictd_core::EvictionId(1) });
        for second in 3..6 {
            assert_eq!(node.look(second, &[(MEMORY, 40)]), [""; 0], "{semantics:?}");
        }
    }
}

/// The kubelet prints what wrapped around; the decision is the same.
#[test]
fn e35_less_than_nothing_is_told_as_nothing() {
    for (semantics, told) in [(Kubelet, "available: -5. "), (Strict, "available: 0. ")] {
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &[memory_user("a", 5)]);
        let signals = crate::node::signals(1, &[(MEMORY, -5)]);
        let observation = evictd_core::Observation {
            signals,
            usage_for: Some(MEMORY),
            pods: node.pods.clone(),
            summary: Summary::Whole,
            ..evictd_core::Observation::default()
        };
        node.evaluator.handle_observation(&observation, crate::node::at(1));
        let message = std::iter::from_fn(|| node.evaluator.poll_command()).find_map(|command| {
            let Command::Evict(eviction) = command else { return None };
            Some(evictd_core::EvictionMessage(&eviction).to_string())
        });
        assert!(message.is_some_and(|text| text.ends_with(told)), "{semantics:?}");
    }
}

/// The node counts threads; the kubelet ranks by processes.
#[test]
fn e54_pods_are_ranked_by_what_the_node_counts() {
    let user = |name, tasks, processes| {
        let pod = pod(name, |_, usage| usage.tasks = Some(tasks));
        with_stats(pod, PodStats { process_count: Some(processes), ..PodStats::default() })
    };
    let pods = [user("threads", 20_000, 1), user("processes", 5, 5)];
    let cases: [(Semantics, &str); 2] = [
        (Kubelet, "evict processes for pid.available"),
        (Strict, "evict threads for pid.available"),
    ];
    for (semantics, evicted) in cases {
        let mut node = Node::new(semantics, &hard(&[(PIDS, "100")]), &pods);
        assert_eq!(node.look(1, &[(PIDS, 50)]), [evicted], "{semantics:?}");
        node.outcome(2, &Outcome::Killed { id: evictd_core::EvictionId(1) });
    }
}
