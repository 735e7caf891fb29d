//! Which memory events have been told, so that each is told once and none is missed.
//!
//! The cgroups are a tree. On cgroup v2 the count of each holds the counts of all below it, those that are
//! gone included, so that for every one
//!
//! > all = its own + all of each that is below it and known + the rest
//!
//! and what grows in the rest happened in a cgroup that was gone before it was read (or that nobody
//! knows). On v1 each counts alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    run::names::CgroupOwner,
    sample::{MemoryEventFiles, MemoryEventKind, MemoryEvents},
};

/// Where the counts of a cgroup come from.
pub trait Counts {
    /// All; `None` if the cgroup is gone.
    fn all(&self) -> Option<MemoryEvents>;
    /// Its own, without those below.
    fn own(&self) -> Option<MemoryEvents>;
    /// Whether [`Self::all`] counts what happened below.
    fn is_hierarchical(&self) -> bool;
}

impl Counts for MemoryEventFiles {
    fn all(&self) -> Option<MemoryEvents> {
        self.read()
    }

    fn own(&self) -> Option<MemoryEvents> {
        self.local()
    }

    fn is_hierarchical(&self) -> bool {
        Self::is_hierarchical(self)
    }
}

/// What was newly counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Where; 0 for a cgroup that is gone and not known.
    pub cgroup_id: u64,
    /// Whose that is.
    pub owner: Option<CgroupOwner>,
    /// What.
    pub kind: MemoryEventKind,
    /// How often.
    pub count: u64,
}

/// A cgroup to keep count of.
#[derive(Debug)]
pub struct Entry<C> {
    /// Its id.
    pub id: u64,
    /// The one above it that is kept count of, too.
    pub parent: Option<u64>,
    /// Whose it is.
    pub owner: Option<CgroupOwner>,
    /// What is below it is its own.
    pub is_leaf: bool,
    /// Its counts.
    pub counts: C,
}

#[derive(Debug)]
struct Node<C> {
    entry: Entry<C>,
    children: BTreeSet<u64>,
    /// What of its own has been told.
    told: MemoryEvents,
    /// What of the rest has been told.
    told_rest: MemoryEvents,
    /// All of it when everything had been told.
    seen: Option<MemoryEvents>,
    /// Cgroups below that are gone since then.
    gone: Vec<(u64, Option<CgroupOwner>)>,
}

/// The tree, and what has been told.
#[derive(Debug)]
pub struct Ledger<C> {
    nodes: BTreeMap<u64, Node<C>>,
    /// Ids above this are of cgroups that were made later.
    newest: u64,
    /// What happened before the first [`Self::settle`] is not told.
    begun: bool,
}

impl<C: Counts> Ledger<C> {
    /// An empty one. `newest`: the highest id of a cgroup that there is already.
    pub const fn new(newest: u64) -> Self {
        Self { nodes: BTreeMap::new(), newest, begun: false }
    }

    /// Whether count is kept of that cgroup.
    pub fn has(&self, id: u64) -> bool {
        self.nodes.contains_key(&id)
    }

    /// Keeps count of another cgroup; its parent comes first.
    pub fn add(&mut self, entry: Entry<C>) {
        let (id, parent) = (entry.id, entry.parent);
        let all = entry.counts.all().unwrap_or_default();
        let own = if entry.is_leaf { all } else { entry.counts.own().unwrap_or(all.zeros()) };
        let is_hierarchical = entry.counts.is_hierarchical();
        let above = parent.and_then(|parent| self.nodes.get_mut(&parent));
        let (mut told, mut told_rest) = (all.zeros(), all.zeros());
        match above {
            _ if !self.begun => told = own,
            // What was told of it while nobody knew it is not told again.
            Some(above) if is_hierarchical => {
                let share = all.with(above.told_rest, u64::min);
                above.told_rest = above.told_rest.with(share, u64::saturating_sub);
                told = own.with(share, u64::min);
                told_rest = share.with(told, u64::saturating_sub);
            }
            _ if id <= self.newest => told = own,
            _ => {}
        }
        if let Some(above) = parent.and_then(|parent| self.nodes.get_mut(&parent)) {
            above.children.insert(id);
        }
        self.read_again(parent);
        let (children, gone) = (BTreeSet::new(), Vec::new());
        self.nodes.insert(id, Node { entry, children, told, told_rest, seen: None, gone });
    }

    /// Keeps count of these and no others.
    pub fn keep(&mut self, wanted: &BTreeSet<u64>) {
        let gone = self.nodes.keys().filter(|id| !wanted.contains(id)).copied();
        let mut gone: Vec<(usize, u64)> = gone.map(|id| (self.depth(id), id)).collect();
        // Those below first: each leaves what was told of it to the one above.
        gone.sort_unstable_by(|a, b| b.cmp(a));
        for (_, id) in gone {
            self.remove(id);
        }
    }

    fn depth(&self, id: u64) -> usize {
        let parent = |id: &u64| self.nodes.get(id)?.entry.parent;
        std::iter::successors(Some(id), parent).count()
    }

    fn remove(&mut self, id: u64) {
        let Some(node) = self.nodes.remove(&id) else {
            return;
        };
        let Some(above) = node.entry.parent.and_then(|parent| self.nodes.get_mut(&parent)) else {
            return;
        };
        above.children.remove(&id);
        if above.entry.counts.is_hierarchical() {
            let told = node.told.with(node.told_rest, u64::saturating_add);
            above.told_rest = above.told_rest.with(told, u64::saturating_add);
            above.gone.extend(node.gone);
            above.gone.push((id, node.entry.owner));
        }
        self.read_again(node.entry.parent);
    }

    /// Reads it and all above it the next time, also if its count is the same.
    fn read_again(&mut self, id: Option<u64>) {
        let mut next = id;
        while let Some(node) = next.and_then(|id| self.nodes.get_mut(&id)) {
            node.seen = None;
            next = node.entry.parent;
        }
    }

    /// Reads one cgroup and tells what happened in it.
    pub fn look(&mut self, id: u64, out: &mut Vec<Counted>) {
        if let Some(node) = self.nodes.get_mut(&id) {
            let counts = &node.entry.counts;
            let own = if node.entry.is_leaf { counts.all() } else { counts.own() };
            if let Some(own) = own {
                node.tell_own(own, out);
            }
        }
    }

    /// Reads all and tells everything that has not been told. The first time nothing is.
    pub fn settle(&mut self, out: &mut Vec<Counted>) {
        let is_top = |node: &&Node<C>| node.entry.parent.is_none();
        let tops: Vec<u64> = self.nodes.values().filter(is_top).map(|node| node.entry.id).collect();
        let told = out.len();
        for top in tops {
            self.visit(top, out);
        }
        if !std::mem::replace(&mut self.begun, true) {
            out.truncate(told);
        }
    }

    /// Gives all that was read of it. A cgroup is read before those below it: what happens meanwhile is
    /// then missing from the rest until the next time, instead of being told twice.
    fn visit(&mut self, id: u64, out: &mut Vec<Counted>) -> Option<MemoryEvents> {
        let node = self.nodes.get_mut(&id)?;
        let all = node.entry.counts.all()?;
        let is_hierarchical = node.entry.counts.is_hierarchical();
        if is_hierarchical && node.seen == Some(all) {
            return Some(all);
        }
        let own = if node.entry.is_leaf { Some(all) } else { node.entry.counts.own() };
        if let Some(own) = own {
            node.tell_own(own, out);
        }
        let mut known = own;
        for child in node.children.clone() {
            let below = self.visit(child, out);
            known = known.zip(below).map(|(known, below)| known.with(below, u64::saturating_add));
        }
        let node = self.nodes.get_mut(&id)?;
        // One that has just gone is missing from the sum: then the next time.
        node.seen = known.map(|_| all);
        if let Some(known) = known.filter(|_| is_hierarchical) {
            node.tell_rest(all.with(known, u64::saturating_sub), out);
        }
        Some(all)
    }
}

impl<C> Node<C> {
    fn tell_own(&mut self, own: MemoryEvents, out: &mut Vec<Counted>) {
        let (id, owner) = (self.entry.id, &self.entry.owner);
        // v1's counts can be reset: then they begin anew.
        tell(id, owner.as_ref(), own, self.told, out);
        self.told = own;
    }

    fn tell_rest(&mut self, rest: MemoryEvents, out: &mut Vec<Counted>) {
        let (id, owner) = self.whose_rest();
        tell(id, owner.as_ref(), rest, self.told_rest, out);
        self.told_rest = self.told_rest.with(rest, u64::max);
        self.gone.clear();
    }

    /// Whose the rest is: the one container's that is gone, else the one pod's.
    fn whose_rest(&self) -> (u64, Option<CgroupOwner>) {
        let owners = || self.gone.iter().filter_map(|(id, owner)| Some((id, owner.as_ref()?)));
        let pod = owners().map(|(_, owner)| &owner.pod).next();
        let pod = pod.filter(|pod| owners().all(|(_, owner)| owner.pod == **pod));
        let mut containers = owners().filter(|(_, owner)| owner.container.is_some());
        match (pod, containers.next(), containers.next()) {
            (Some(_), Some((id, owner)), None) => (*id, Some(owner.clone())),
            (Some(pod), ..) => (0, Some(CgroupOwner { pod: pod.clone(), container: None })),
            (None, ..) => (0, self.entry.owner.clone()),
        }
    }
}

fn tell(
    cgroup_id: u64,
    owner: Option<&CgroupOwner>,
    now: MemoryEvents,
    told: MemoryEvents,
    out: &mut Vec<Counted>,
) {
    for kind in MemoryEventKind::ALL {
        let Some(now) = now.get(kind) else { continue };
        let count = now.saturating_sub(told.get(kind).unwrap_or(0));
        if count > 0 {
            out.push(Counted { cgroup_id, owner: owner.cloned(), kind, count });
        }
    }
}
