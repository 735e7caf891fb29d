//! One inotify instance with a bounded number of watches.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};

/// What a watch is for, by cgroup id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The cgroups in a cgroup.
    Directory(u64),
    /// Its `memory.events`.
    Events(u64),
}

pub(super) struct Notify {
    fd: OwnedFd,
    targets: BTreeMap<i32, Target>,
    most: usize,
}

impl Notify {
    pub(super) fn new(most: usize) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { fd, targets: BTreeMap::new(), most })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What a watch is for.
    pub(super) fn target(&self, watch: i32) -> Option<Target> {
        self.targets.get(&watch).copied()
    }

    /// Watches the file or directory `name` in `dir`.
    pub(super) fn add(
        &mut self,
        dir: impl AsFd,
        name: &str,
        target: Target,
    ) -> Result<i32, NoWatch> {
        if self.targets.len() >= self.most {
            return Err(NoWatch::Short(format!("more than {} watches are needed", self.most)));
        }
        // By descriptor, since the path may have become another cgroup's.
        let path = PathBuf::from(format!("/proc/self/fd/{}", raw(dir.as_fd()))).join(name);
        let flags = match target {
            Target::Directory(_) => WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR,
            Target::Events(_) => WatchFlags::MODIFY,
        };
        let watch = inotify::add_watch(&self.fd, path, flags).map_err(|error| match error {
            Errno::NOSPC => NoWatch::Short("fs.inotify.max_user_watches is used up".to_owned()),
            Errno::NOENT | Errno::NODEV => NoWatch::Gone,
            error => NoWatch::Short(format!("no watch: {error}")),
        })?;
        self.targets.insert(watch, target);
        Ok(watch)
    }

    /// Stops watching. The kernel keeps watches of removed cgroups otherwise.
    pub(super) fn remove(&mut self, watch: i32) {
        self.targets.remove(&watch);
        // Gone by itself is as good.
        let _ = inotify::remove_watch(&self.fd, watch);
    }
}

/// Why something is not watched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoWatch {
    /// It is not there (any more).
    Gone,
    /// There are no more watches to be had.
    Short(String),
}

impl NoWatch {
    /// The reason, if there is one to name.
    pub(super) fn shortage(self) -> Option<String> {
        match self {
            Self::Gone => None,
            Self::Short(reason) => Some(reason),
        }
    }
}

fn raw(fd: BorrowedFd<'_>) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&fd)
}
