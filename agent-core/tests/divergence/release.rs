//! What an eviction has to free before the next.

use evictd_core::{
    EvictionId, Outcome,
    Semantics::{Kubelet, Strict},
};

use crate::node::{MEMORY, Node, hard, memory_user};

/// The pod is gone for the runtime, but the newest sample is from before that and so still holds its
/// memory.
#[test]
fn e33_the_next_pod_waits_until_the_memory_of_the_first_is_back() {
    let id = EvictionId(1);
    for (semantics, evicted) in
        [(Kubelet, &["evict b for memory.available"][..]), (Strict, &[][..])]
    {
        let pods = [memory_user("a", 9), memory_user("b", 5)];
        let mut node = Node::new(semantics, &hard(&[(MEMORY, "100")]), &pods);
        assert_eq!(node.look(1, &[(MEMORY, 50)]), ["evict a for memory.available"]);
        node.outcome(1, &Outcome::Killed { id });
        node.outcome(8, &Outcome::Emptied { id });
        node.pods.remove(0);
        assert_eq!(node.look_at_samples(9, 5, &[(MEMORY, 50)]), evicted, "{semantics:?}");
    }
}
