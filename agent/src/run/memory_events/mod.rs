//! What memory limits did to pods, a record each. What the files count is the truth; the kernel's
//! notifications, some of which it skips, only tell when to look.

mod ledger;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    time::Duration,
};

use evictd_core::MonoTime;

use self::ledger::{Counted, Entry, Ledger};
use super::{
    names::{CgroupNames, CgroupOwner},
    observe::Observer,
    record::MemoryEvent,
};
use crate::{
    pods::{Pod, PodIndex},
    sample::{CgroupMounts, MemoryEventFiles, MemoryEventKind},
    state::walk,
};

/// Notifications are heeded no more often than this.
const LEAST_GAP: Duration = Duration::from_millis(20);

/// `high` and `max` can happen a thousand times a second, for as long as a cgroup stays at its limit: a
/// record of each a second tells how often.
const RECORD_GAP: Duration = Duration::from_secs(1);

/// Keeps count of the memory events of the pods.
pub struct MemoryEventWatch {
    ledger: Ledger<MemoryEventFiles>,
    /// Cgroups to look at, and when they changed.
    changed: BTreeMap<u64, MonoTime>,
    looked: MonoTime,
    told: BTreeMap<(u64, MemoryEventKind), Told>,
    /// See [`Observer::generation`].
    followed: Option<u64>,
}

/// One kind of event of one cgroup.
#[derive(Debug)]
struct Told {
    at: MonoTime,
    /// Counted since then.
    held: u64,
    owner: Option<CgroupOwner>,
}

impl MemoryEventWatch {
    /// Counts from now on. `newest`: the highest id of a cgroup that there is.
    pub fn new(newest: u64) -> Self {
        Self {
            ledger: Ledger::new(newest),
            changed: BTreeMap::new(),
            looked: MonoTime::default(),
            told: BTreeMap::new(),
            followed: None,
        }
    }

    /// Something happened in that cgroup at that time, as far as known.
    pub fn note(&mut self, cgroup_id: u64, at: MonoTime) {
        if self.ledger.has(cgroup_id) {
            self.changed.entry(cgroup_id).or_insert(at);
        }
    }

    /// When to look at the latest.
    pub fn next(&self) -> Option<MonoTime> {
        (!self.changed.is_empty()).then(|| self.looked.after(LEAST_GAP))
    }

    /// Keeps count of the cgroups that the pods have now.
    pub fn follow(&mut self, observer: &Observer) {
        let (index, names) = (observer.index(), observer.names());
        if self.followed.replace(observer.generation()) == Some(observer.generation()) {
            return;
        }
        let places = places(index, names);
        self.ledger.keep(&places.iter().map(|place| place.id).collect());
        for Place { id, parent, owner, is_leaf, path } in places {
            if self.ledger.has(id) {
                continue;
            }
            let Some(counts) = MemoryEventFiles::open(&index.tree().open_dirs(&path)) else {
                continue;
            };
            let parent = parent.filter(|parent| self.ledger.has(*parent));
            self.ledger.add(Entry { id, parent, owner, is_leaf, counts });
        }
    }

    /// Looks if it is time to: at what changed, or at `everything`. Gives what is to be told.
    pub fn look(&mut self, everything: bool, now: MonoTime) -> Vec<MemoryEvent> {
        let is_due = self.next().is_some_and(|due| due <= now);
        let mut counted = Vec::new();
        if !is_due && !everything {
            return Vec::new();
        }
        let changed = std::mem::take(&mut self.changed);
        self.looked = now;
        if everything {
            self.ledger.settle(&mut counted);
        } else {
            for id in changed.keys() {
                self.ledger.look(*id, &mut counted);
            }
        }
        let mut records: Vec<MemoryEvent> =
            counted.into_iter().filter_map(|counted| self.tell(counted, &changed, now)).collect();
        if everything {
            records.extend(self.release(now));
        }
        records
    }

    /// Looks at everything and holds nothing back.
    pub fn finish(&mut self, now: MonoTime) -> Vec<MemoryEvent> {
        let mut records = self.look(true, now);
        records.extend(self.release(now.after(RECORD_GAP)));
        records
    }

    /// A record now, or later if there was one of that kind just before.
    fn tell(
        &mut self,
        counted: Counted,
        changed: &BTreeMap<u64, MonoTime>,
        now: MonoTime,
    ) -> Option<MemoryEvent> {
        let Counted { cgroup_id, owner, kind, count } = counted;
        let event_at = changed.get(&cgroup_id).copied();
        if matches!(kind, MemoryEventKind::High | MemoryEventKind::Max) {
            if let Some(told) = self.told.get_mut(&(cgroup_id, kind)) {
                told.held += count;
                return None;
            }
            let told = Told { at: now, held: 0, owner: owner.clone() };
            self.told.insert((cgroup_id, kind), told);
        }
        Some(MemoryEvent::new(cgroup_id, owner.as_ref(), kind, count, event_at))
    }

    /// What was held back for long enough.
    fn release(&mut self, now: MonoTime) -> Vec<MemoryEvent> {
        let mut records = Vec::new();
        self.told.retain(|(cgroup_id, kind), told| {
            let is_over = told.at.after(RECORD_GAP) <= now;
            if is_over && told.held > 0 {
                let held = std::mem::take(&mut told.held);
                told.at = now;
                let owner = told.owner.as_ref();
                records.push(MemoryEvent::new(*cgroup_id, owner, *kind, held, None));
                return true;
            }
            !is_over
        });
        records
    }
}

/// A cgroup that is kept count of.
struct Place {
    id: u64,
    parent: Option<u64>,
    owner: Option<CgroupOwner>,
    is_leaf: bool,
    path: CString,
}

/// The pods' common cgroup, those of the classes, the pods' and their containers', parents first.
fn places(index: &PodIndex, names: &CgroupNames) -> Vec<Place> {
    let mut places = Places { index, found: Vec::new(), ids: BTreeMap::new() };
    places.inner(index.tree().pods_path());
    for cgroup in index.iter().filter_map(Pod::cgroup) {
        let path = cgroup.relative();
        let parent = parent_of(path).and_then(|parent| places.inner(&parent));
        let place = |id, parent, is_leaf, path| {
            let owner = names.owner(id).cloned();
            Place { id, parent, owner, is_leaf, path }
        };
        places.found.push(place(cgroup.inode(), parent, false, path.to_owned()));
        for container in cgroup.containers() {
            let bytes = [path.to_bytes(), b"/", container.directory.as_bytes()].concat();
            let Ok(path) = CString::new(bytes) else { continue };
            places.found.push(place(container.inode, Some(cgroup.inode()), true, path));
        }
    }
    places.found
}

struct Places<'a> {
    index: &'a PodIndex,
    found: Vec<Place>,
    ids: BTreeMap<CString, u64>,
}

impl Places<'_> {
    /// The id of a cgroup above pods; lists it if it is not yet.
    fn inner(&mut self, path: &CStr) -> Option<u64> {
        if let Some(id) = self.ids.get(path) {
            return Some(*id);
        }
        let id = self.index.tree().inode(path)?;
        let is_top = path == self.index.tree().pods_path();
        let parent = parent_of(path).filter(|_| !is_top).and_then(|parent| self.inner(&parent));
        self.ids.insert(path.to_owned(), id);
        self.found.push(Place { id, parent, owner: None, is_leaf: false, path: path.to_owned() });
        Some(id)
    }
}

/// The path of the cgroup above.
fn parent_of(path: &CStr) -> Option<CString> {
    let parent = Path::new(OsStr::from_bytes(path.to_bytes())).parent()?;
    CString::new(parent.as_os_str().as_bytes()).ok()
}

/// The highest id of a cgroup that there is; 0 if none can be seen.
pub fn newest_cgroup(mounts: &CgroupMounts) -> u64 {
    let root = mounts.identity().unwrap_or(Path::new("/sys/fs/cgroup"));
    walk(root).entries.iter().map(|entry| entry.id).max().unwrap_or(0)
}
