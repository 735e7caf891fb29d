//! Freeing what the node itself holds.

use evictd_core::{
    EvictionMaps,
    Semantics::{Kubelet, Strict},
};

use crate::node::{MEMORY, NODEFS, Node, hard, map, memory_user};

/// Frees enough of nodefs while memory is at `memory`, and says whether a pod was evicted all the same.
fn evicts_after_reclaim(maps: &EvictionMaps, memory: i64) -> [bool; 2] {
    [Kubelet, Strict].map(|semantics| {
        let mut node = Node::new(semantics, maps, &[memory_user("a", 5)]);
        let before = node.look(1, &[(NODEFS, 50), (MEMORY, memory)]);
        assert_eq!(before, ["reclaim for nodefs.available"], "{semantics:?}");
        let after = node.reclaimed(1, &[(NODEFS, 500), (MEMORY, memory)]);
        after.iter().any(|command| command.starts_with("evict"))
    })
}

#[test]
fn e21_a_soft_threshold_in_its_grace_does_not_make_reclaim_vain() {
    let maps = EvictionMaps {
        soft: map(&[(MEMORY, "300")]),
        soft_grace_period: map(&[(MEMORY, "1h")]),
        ..hard(&[(NODEFS, "100")])
    };
    assert_eq!(evicts_after_reclaim(&maps, 200), [true, false]);
}

#[test]
fn e22_a_minimum_reclaim_of_another_signal_does_not_make_reclaim_vain() {
    let maps = EvictionMaps {
        minimum_reclaim: map(&[(MEMORY, "50")]),
        ..hard(&[(NODEFS, "100"), (MEMORY, "100")])
    };
    assert_eq!(evicts_after_reclaim(&maps, 120), [true, false]);
}
