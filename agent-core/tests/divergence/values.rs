//! What values may be configured.

use evictd_core::{
    EvictionMaps, Policy,
    Semantics::{Kubelet, Strict},
};

use crate::node::{MEMORY, Node, hard, memory_user};

#[test]
fn e11_values_that_cannot_be_meant_are_refused() {
    for value in ["10%%", "NaN%"] {
        let parses = |semantics| {
            Policy::parse(&EvictionMaps { semantics, ..hard(&[(MEMORY, value)]) }).is_ok()
        };
        assert_eq!((parses(Kubelet), parses(Strict)), (true, false), "{value}");
    }
}

/// The kubelet then asks for as much as a number can say, or for less than nothing.
#[test]
fn e11_an_infinite_minimum_reclaim_is_refused() {
    let parses = |semantics| {
        let reclaim = [(MEMORY.name().to_owned(), "inf%".to_owned())];
        let maps =
            EvictionMaps { semantics, minimum_reclaim: reclaim.into(), ..EvictionMaps::default() };
        Policy::parse(&maps).is_ok()
    };
    assert_eq!((parses(Kubelet), parses(Strict)), (true, false));
}

/// The kubelet takes it, and then it is never met.
#[test]
fn e11_what_is_no_number_evicts_nobody() {
    let mut node = Node::new(Kubelet, &hard(&[(MEMORY, "NaN%")]), &[memory_user("a", 5)]);
    assert_eq!(node.look(1, &[(MEMORY, -1)]), [""; 0]);
}
