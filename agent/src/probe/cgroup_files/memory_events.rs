//! `memory.events` of the pods (cgroup v2). The kernel tells a change to all cgroups above it too, so a
//! pod's file tells of its containers.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::notify::{Notify, Target};
use crate::pods::{Pod, PodIndex};

const FILE: &str = "memory.events";

#[derive(Default)]
pub(super) struct MemoryEvents {
    /// Watches by cgroup id.
    watches: BTreeMap<u64, i32>,
    is_short: bool,
    pub(super) shortage: Option<String>,
}

impl MemoryEvents {
    /// The cgroups that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = u64> {
        self.watches.keys().copied()
    }

    /// Watches the cgroup of all pods, which alone would do to know when to look, and each pod's.
    pub(super) fn follow(&mut self, index: &PodIndex, notify: &mut Notify) {
        let all = index.tree().open_pods();
        let all = index.tree().pods_inode().zip(all.unified.as_ref());
        let pods = index.iter().filter_map(Pod::cgroup);
        let pods =
            pods.filter_map(|cgroup| Some((cgroup.inode(), cgroup.dirs().unified.as_ref()?)));
        let wanted: Vec<_> = all.into_iter().chain(pods).collect();
        let ids: BTreeSet<u64> = wanted.iter().map(|(id, _)| *id).collect();
        let gone = |id: &u64| !ids.contains(id);
        let left: Vec<u64> = self.watches.keys().copied().filter(gone).collect();
        for watch in left.iter().filter_map(|id| self.watches.remove(id)) {
            notify.remove(watch);
        }
        let mut short = None;
        for (id, dir) in wanted {
            let Entry::Vacant(unwatched) = self.watches.entry(id) else { continue };
            match notify.add(dir, FILE, Target::Events(id)) {
                Ok(watch) => {
                    unwatched.insert(watch);
                }
                Err(why) => short = why.shortage().or(short),
            }
        }
        let was_short = std::mem::replace(&mut self.is_short, short.is_some());
        // Told once, until all pods could be watched again.
        self.shortage = short.filter(|_| !was_short).or(self.shortage.take());
    }
}
