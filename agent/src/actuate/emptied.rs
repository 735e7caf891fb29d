//! Seeing that a killed pod has no task left.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use crate::pods::{PodCgroup, procs};

/// Watches one cgroup, also after the pod has left the index.
///
/// On v2 the descriptor of `cgroup.events` becomes ready for priority events (`POLLPRI`) when the
/// cgroup empties; on v1 there is nothing to wait for, and [`Self::is_empty`] is to be asked again.
/// A hybrid host has both.
#[derive(Debug)]
pub struct EmptiedWatch {
    events: Option<OwnedFd>,
    v1: [Option<OwnedFd>; 3],
}

impl EmptiedWatch {
    /// Watches `cgroup`.
    pub fn new(cgroup: &PodCgroup) -> Self {
        let dirs = cgroup.dirs();
        let clone = |dir: &Option<OwnedFd>| dir.as_ref().and_then(|dir| dir.try_clone().ok());
        let events = dirs.unified.as_ref().and_then(|dir| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            rustix::fs::openat(dir, c"cgroup.events", flags, Mode::empty()).ok()
        });
        Self { events, v1: [clone(&dirs.freezer), clone(&dirs.pids), clone(&dirs.memory)] }
    }

    /// What to wait on with `POLLPRI`; `None` on v1. After each wake-up ask [`Self::is_empty`].
    pub fn events(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }

    /// Whether waiting on [`Self::events`] is not enough: a v1 hierarchy still lists processes, or
    /// there is no descriptor to wait on.
    pub fn needs_polling(&self) -> bool {
        self.events.as_ref().is_none_or(is_unpopulated)
    }

    /// Whether no hierarchy has a task of the pod left.
    pub fn is_empty(&self) -> bool {
        self.events.as_ref().is_none_or(is_unpopulated)
            && self.v1.iter().flatten().all(has_no_process)
    }
}

/// Reading also re-arms the wake-up.
fn is_unpopulated(events: &OwnedFd) -> bool {
    let mut text = [0_u8; 128];
    match rustix::io::pread(events, &mut text, 0) {
        Ok(len) => text[..len].split(|b| *b == b'\n').any(|line| line == b"populated 0"),
        // The cgroup was removed, which needs it to be empty.
        Err(errno) => errno == Errno::NODEV,
    }
}

fn has_no_process(dir: &OwnedFd) -> bool {
    let mut none = true;
    procs::for_each_process(dir, &mut |_| none = false).is_ok() && none
}
