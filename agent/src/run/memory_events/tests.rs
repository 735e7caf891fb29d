//! Each event is told once, whoever is gone by then.

use std::{cell::Cell, collections::BTreeSet, rc::Rc};

use super::ledger::{Counted, Counts, Entry, Ledger};
use crate::{
    run::{names::CgroupOwner, record::PodName},
    sample::{MemoryEventKind, MemoryEvents},
};

const KUBEPODS: u64 = 1;
const POD: u64 = 2;
const APP: u64 = 3;
const SIDE: u64 = 4;

/// Counts of a cgroup that is there, or gone.
#[derive(Clone)]
struct Fake {
    all: Rc<Cell<Option<u64>>>,
    own: Rc<Cell<u64>>,
    v2: bool,
}

impl Counts for Fake {
    fn all(&self) -> Option<MemoryEvents> {
        self.all.get().map(kills)
    }

    fn own(&self) -> Option<MemoryEvents> {
        self.all.get().map(|_| kills(self.own.get()))
    }

    fn is_hierarchical(&self) -> bool {
        self.v2
    }
}

fn kills(count: u64) -> MemoryEvents {
    MemoryEvents { oom_kill: Some(count), ..MemoryEvents::default() }
}

fn owner(container: Option<&str>) -> Option<CgroupOwner> {
    let pod = PodName { namespace: "shop".into(), pod: "cart".into() };
    Some(CgroupOwner { pod, container: container.map(Into::into) })
}

/// The pods' cgroup, a pod, its containers.
struct Tree {
    ledger: Ledger<Fake>,
    fakes: [Fake; 5],
}

impl Tree {
    fn new(v2: bool) -> Self {
        let fake = || Fake { all: Rc::new(Cell::new(Some(0))), own: Rc::default(), v2 };
        Self { ledger: Ledger::new(2), fakes: [fake(), fake(), fake(), fake(), fake()] }
    }

    /// A kill in that cgroup, as the kernel counts it.
    fn kill(&self, id: u64) {
        let fake = |id: u64| &self.fakes[id as usize];
        let more = |cell: &Cell<Option<u64>>| cell.set(cell.get().map(|n| n + 1));
        fake(id).own.set(fake(id).own.get() + 1);
        more(&fake(id).all);
        let above = match id {
            APP | SIDE => &[POD, KUBEPODS][..],
            POD => &[KUBEPODS],
            _ => &[],
        };
        above.iter().filter(|_| fake(id).v2).for_each(|id| more(&fake(*id).all));
    }

    fn add(&mut self, id: u64) {
        let (parent, owner) = match id {
            APP => (Some(POD), owner(Some("app"))),
            SIDE => (Some(POD), owner(Some("side"))),
            POD => (Some(KUBEPODS), owner(None)),
            _ => (None, None),
        };
        let counts = self.fakes[id as usize].clone();
        self.ledger.add(Entry { id, parent, owner, is_leaf: id >= APP, counts });
    }

    fn keep(&mut self, ids: &[u64]) {
        for id in KUBEPODS..=SIDE {
            if !ids.contains(&id) {
                self.fakes[id as usize].all.set(None);
            }
        }
        self.ledger.keep(&ids.iter().copied().collect::<BTreeSet<_>>());
    }

    fn settle(&mut self) -> Vec<(u64, Option<&'static str>, u64)> {
        let mut out = Vec::new();
        self.ledger.settle(&mut out);
        told(out)
    }
}

/// Where, in which container, how often.
fn told(counted: Vec<Counted>) -> Vec<(u64, Option<&'static str>, u64)> {
    let container = |owner: Option<CgroupOwner>| match owner?.container?.as_ref() {
        "app" => Some("app"),
        _ => Some("side"),
    };
    let is_kill = |counted: &Counted| counted.kind == MemoryEventKind::OomKill;
    assert!(counted.iter().all(is_kill), "unknown kinds are not told of");
    counted.into_iter().map(|c| (c.cgroup_id, container(c.owner), c.count)).collect()
}

fn with_all(v2: bool) -> Tree {
    let mut tree = Tree::new(v2);
    for id in KUBEPODS..=SIDE {
        tree.add(id);
    }
    assert_eq!(tree.settle(), []);
    tree
}

#[test]
fn what_happened_before_evictd_started_is_not_told() {
    for v2 in [false, true] {
        let mut tree = Tree::new(v2);
        for id in [KUBEPODS, POD, APP, SIDE] {
            tree.kill(id);
        }
        for id in KUBEPODS..=SIDE {
            tree.add(id);
        }
        assert_eq!(tree.settle(), [], "v2: {v2}");
        tree.kill(APP);
        assert_eq!(tree.settle(), [(APP, Some("app"), 1)], "v2: {v2}");
    }
}

#[test]
fn each_event_is_told_once_where_it_happened() {
    for v2 in [false, true] {
        let mut tree = with_all(v2);
        for id in [APP, APP, SIDE, POD, KUBEPODS] {
            tree.kill(id);
        }
        let mut out = Vec::new();
        tree.ledger.look(APP, &mut out);
        assert_eq!(told(out), [(APP, Some("app"), 2)], "after a notification");
        let rest = [(KUBEPODS, None, 1), (POD, None, 1), (SIDE, Some("side"), 1)];
        assert_eq!(tree.settle(), rest, "without one; v2: {v2}");
        assert_eq!(tree.settle(), [], "v2: {v2}");
    }
}

#[test]
fn a_container_that_is_gone_before_it_was_read_is_found_in_its_pod() {
    let mut tree = with_all(true);
    tree.kill(SIDE);
    tree.kill(APP);
    tree.keep(&[KUBEPODS, POD, SIDE]);
    assert_eq!(tree.settle(), [(SIDE, Some("side"), 1), (APP, Some("app"), 1)]);
    assert_eq!(tree.settle(), []);
}

#[test]
fn what_was_told_of_a_container_is_not_told_again_when_it_is_gone() {
    let mut tree = with_all(true);
    tree.kill(APP);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)]);
    tree.kill(APP);
    tree.keep(&[KUBEPODS, POD, SIDE]);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)], "the second alone");
}

#[test]
fn two_that_are_gone_at_once_leave_the_pod_alone_known() {
    let mut tree = with_all(true);
    tree.kill(APP);
    tree.keep(&[KUBEPODS, POD]);
    assert_eq!(tree.settle(), [(0, None, 1)]);
}

#[test]
fn a_whole_pod_that_is_gone_is_found_in_what_is_above_it() {
    let mut tree = with_all(true);
    tree.keep(&[KUBEPODS, POD, APP]);
    assert_eq!(tree.settle(), []);
    tree.kill(APP);
    tree.keep(&[KUBEPODS]);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)]);
}

#[test]
fn a_cgroup_that_vanishes_while_all_are_read_is_waited_for() {
    let mut tree = with_all(true);
    tree.kill(APP);
    tree.fakes[APP as usize].all.set(None);
    assert_eq!(tree.settle(), [], "its removal is not known yet");
    tree.keep(&[KUBEPODS, POD, SIDE]);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)]);
}

#[test]
fn a_new_container_is_told_of_from_its_making() {
    for v2 in [false, true] {
        let mut tree = Tree::new(v2);
        tree.add(KUBEPODS);
        tree.add(POD);
        assert_eq!(tree.settle(), []);
        tree.kill(APP);
        tree.add(APP);
        assert_eq!(tree.settle(), [(APP, Some("app"), 1)], "v2: {v2}");
    }
}

#[test]
fn what_was_told_of_a_stranger_is_not_told_again_when_its_name_is_known() {
    let mut tree = Tree::new(true);
    tree.add(KUBEPODS);
    tree.add(POD);
    assert_eq!(tree.settle(), []);
    tree.kill(APP);
    assert_eq!(tree.settle(), [(0, None, 1)], "in a cgroup that nobody knows");
    tree.kill(APP);
    tree.add(APP);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)]);
}

#[test]
fn counts_that_are_reset_begin_anew() {
    let mut tree = with_all(false);
    tree.kill(APP);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)]);
    tree.fakes[APP as usize].all.set(Some(0));
    assert_eq!(tree.settle(), []);
    tree.kill(APP);
    assert_eq!(tree.settle(), [(APP, Some("app"), 1)]);
}
