//! `memory.oom_control` of pods and containers (cgroup v1): an eventfd each, written when the cgroup, or
//! one above it, has run out of memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use rustix::{
    event::{EventfdFlags, epoll, eventfd},
    fs::{AtFlags, Mode, OFlags},
};

use crate::pods::{Pod, PodCgroup, PodIndex};

const FILE: &str = "memory.oom_control";
const REGISTER: &str = "cgroup.event_control";

/// A cgroup that is listened to. The kernel lets go of it when the eventfd is closed.
struct Control {
    eventfd: OwnedFd,
    /// Its directory in the memory hierarchy.
    dir: OwnedFd,
}

pub(super) struct OomControls {
    /// By cgroup id (in the hierarchy that gives identity).
    controls: BTreeMap<u64, Control>,
    most: usize,
    is_short: bool,
    pub(super) shortage: Option<String>,
}

impl OomControls {
    pub(super) const fn new(most: usize) -> Self {
        Self { controls: BTreeMap::new(), most, is_short: false, shortage: None }
    }

    /// Listens to the pods and their containers; `epoll` tells of them by cgroup id.
    pub(super) fn follow(&mut self, index: &PodIndex, epoll: &OwnedFd) {
        let cgroups = || index.iter().filter_map(Pod::cgroup);
        let ids = |cgroup: &PodCgroup| {
            let containers: Vec<u64> = cgroup.containers().iter().map(|c| c.inode).collect();
            containers.into_iter().chain([cgroup.inode()])
        };
        let wanted: BTreeSet<u64> = cgroups().flat_map(ids).collect();
        self.controls.retain(|id, _| wanted.contains(id));
        let mut short = None;
        for cgroup in cgroups() {
            let Some(pod) = &cgroup.dirs().memory else { continue };
            let containers = cgroup.containers().iter().map(|c| (c.inode, c.directory.as_str()));
            for (id, name) in [(cgroup.inode(), ".")].into_iter().chain(containers) {
                if self.controls.contains_key(&id) {
                    continue;
                }
                if self.controls.len() >= self.most {
                    short = Some(format!("more than {} eventfds are needed", self.most));
                    break;
                }
                match Control::open(pod, name, id, epoll) {
                    Ok(control) => drop(self.controls.insert(id, control)),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => short = Some(format!("{REGISTER}: {error}")),
                }
            }
        }
        let was_short = std::mem::replace(&mut self.is_short, short.is_some());
        // Told once, until all could be listened to again.
        self.shortage = short.filter(|_| !was_short).or(self.shortage.take());
    }

    /// Takes what an eventfd tells; true if its cgroup ran out of memory. It is written once more when
    /// the cgroup is removed.
    pub(super) fn read(&mut self, cgroup_id: u64) -> bool {
        let Some(control) = self.controls.get(&cgroup_id) else { return false };
        let mut count = [0; 8];
        // Nothing to read is no event.
        let told = rustix::io::read(&control.eventfd, &mut count).is_ok();
        let is_there = rustix::fs::statat(&control.dir, FILE, AtFlags::empty()).is_ok();
        if !is_there {
            self.controls.remove(&cgroup_id);
        }
        told && is_there
    }
}

/// A cgroup that is being removed has files that cannot be used any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

impl Control {
    fn open(pod: &OwnedFd, name: &str, id: u64, epoll: &OwnedFd) -> io::Result<Self> {
        let open = |dir: &OwnedFd, name: &str, flags: OFlags| {
            rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty())
        };
        let dir = open(pod, name, OFlags::PATH | OFlags::DIRECTORY)?;
        let file = open(&dir, FILE, OFlags::RDONLY)?;
        let register = open(&dir, REGISTER, OFlags::WRONLY)?;
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let pair = format!("{} {}", eventfd.as_fd().as_raw_fd(), file.as_fd().as_raw_fd());
        rustix::io::write(&register, pair.as_bytes())?;
        epoll::add(epoll, &eventfd, epoll::EventData::new_u64(id), epoll::EventFlags::IN)?;
        Ok(Self { eventfd, dir })
    }
}
