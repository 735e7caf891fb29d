//! The cgroups below that of all pods, by inotify.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
};

use evictd_common::{Kind, Record};
use rustix::fs::{Mode, OFlags};

use super::{
    notify::{Notify, Target},
    record,
};
use crate::pods::{CgroupTree, for_each_dir};

/// Levels whose cgroups are listed: of all pods, of a QoS class, of a pod.
const LEVELS: u8 = 3;

/// A cgroup that is there.
struct Known {
    /// Relative to the cgroup of all pods.
    path: String,
    parent: u64,
    level: u8,
    watch: Option<i32>,
}

#[derive(Default)]
pub(super) struct Directories {
    /// The cgroup of all pods, and its id.
    top: Option<(OwnedFd, u64)>,
    known: BTreeMap<u64, Known>,
    is_short: bool,
    is_told: bool,
    pub(super) shortage: Option<String>,
}

impl Directories {
    /// Looks whether the cgroup of all pods is still the same, and lists anew what could not be
    /// watched.
    pub(super) fn follow(
        &mut self,
        tree: &CgroupTree,
        notify: &mut Notify,
        found: &mut Vec<Record>,
    ) {
        let id = tree.pods_inode();
        if self.top.as_ref().map(|(_, id)| *id) != id {
            if let Some((_, gone)) = self.top.take() {
                self.forget(gone, notify, found);
            }
            let dirs = tree.open_pods();
            let opened = dirs.identity().and_then(|fd| open(fd, ".").ok()).zip(id);
            if let Some((top, id)) = opened {
                self.top = Some((top, id));
                self.learn(id, String::from("."), id, 0, notify, found);
            }
        }
        self.is_short = false;
        let unwatched: Vec<u64> = self.unwatched().collect();
        for id in unwatched {
            self.watch(id, notify);
            self.list(id, notify, found);
        }
        self.is_told = self.is_short;
    }

    /// True if some cgroups are not watched for want of watches.
    pub(super) const fn is_short(&self) -> bool {
        self.is_short
    }

    /// Compares what is in the cgroup with what is known of it.
    pub(super) fn list(&mut self, id: u64, notify: &mut Notify, found: &mut Vec<Record>) {
        let (Some((top, _)), Some(known)) = (&self.top, self.known.get(&id)) else { return };
        let (path, level) = (known.path.clone(), known.level);
        let mut children = BTreeMap::new();
        let listed = open(top, &path).is_ok_and(|dir| {
            let is = rustix::fs::fstat(&dir).is_ok_and(|stat| stat.st_ino == id);
            is && for_each_dir(&dir, |name, child| {
                children.insert(child, name.to_string_lossy().into_owned());
            })
            .is_ok()
        });
        if !listed {
            // Whoever is above it is told too.
            return;
        }
        let is_gone = |(child, known): (&u64, &Known)| {
            (known.parent == id && *child != id && !children.contains_key(child)).then_some(*child)
        };
        let gone: Vec<u64> = self.known.iter().filter_map(is_gone).collect();
        for child in gone {
            self.forget(child, notify, found);
        }
        for (child, name) in children {
            if !self.known.contains_key(&child) {
                self.learn(child, format!("{path}/{name}"), id, level + 1, notify, found);
            }
        }
    }

    /// Lists everything.
    pub(super) fn list_all(&mut self, notify: &mut Notify, found: &mut Vec<Record>) {
        let all: Vec<u64> = self.known.keys().copied().collect();
        for id in all {
            self.list(id, notify, found);
        }
    }

    /// A cgroup that was not known, and what is in it. Watched before it is listed, so that nothing
    /// comes in between.
    fn learn(
        &mut self,
        id: u64,
        path: String,
        parent: u64,
        level: u8,
        notify: &mut Notify,
        found: &mut Vec<Record>,
    ) {
        self.known.insert(id, Known { path, parent, level, watch: None });
        found.push(record(Kind::CgroupMkdir, id));
        if level < LEVELS {
            self.watch(id, notify);
            self.list(id, notify, found);
        }
    }

    fn watch(&mut self, id: u64, notify: &mut Notify) {
        let (Some((top, _)), Some(known)) = (&self.top, self.known.get_mut(&id)) else { return };
        match notify.add(top.as_fd(), &known.path, Target::Directory(id)) {
            Ok(watch) => known.watch = Some(watch),
            Err(why) => {
                if let Some(reason) = why.shortage() {
                    self.is_short = true;
                    if !std::mem::replace(&mut self.is_told, true) {
                        self.shortage = Some(reason);
                    }
                }
            }
        }
    }

    fn unwatched(&self) -> impl Iterator<Item = u64> {
        let is = |known: &Known| known.watch.is_none() && known.level < LEVELS;
        self.known.iter().filter(move |(_, known)| is(known)).map(|(id, _)| *id)
    }

    /// A cgroup that is gone, and what was in it.
    fn forget(&mut self, id: u64, notify: &mut Notify, found: &mut Vec<Record>) {
        let Some(known) = self.known.remove(&id) else { return };
        if let Some(watch) = known.watch {
            notify.remove(watch);
        }
        found.push(record(Kind::CgroupRmdir, id));
        let children = self.known.iter().filter(|(_, child)| child.parent == id);
        let children: Vec<u64> = children.map(|(child, _)| *child).collect();
        for child in children {
            self.forget(child, notify, found);
        }
    }
}

fn open(dir: impl AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, path, flags, Mode::empty())
}
