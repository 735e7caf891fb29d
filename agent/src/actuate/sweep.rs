//! SIGKILL to every process of a cgroup, so that a forking one cannot be missed.
//!
//! All hierarchies of the pod are frozen through the v1 freezer, every process listed gets SIGKILL,
//! and the thaw lets them die: a frozen process cannot fork, and one that was forking when it froze
//! finds the signal pending. Without a freezer, or while a process stuck in the kernel keeps the
//! freezer from finishing, rounds are repeated until nothing is left.

use std::{
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use evictd_core::MonoTime;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{Pid, Signal},
};

use super::KillError;
use crate::clock::now;

use crate::pods::{CgroupDirs, PodCgroup, for_each_dir, procs};

/// Longest wait for the freezer to finish.
const FREEZE: Duration = Duration::from_millis(10);
/// Longest sweep altogether.
const SWEEP: Duration = Duration::from_millis(500);
const NAP: Duration = Duration::from_micros(200);

/// Kills everything in `cgroup`; returns when the first complete round was done.
pub(super) fn sweep(cgroup: &PodCgroup) -> Result<MonoTime, KillError> {
    let deadline = Instant::now() + SWEEP;
    let mut issued_at = None;
    let mut rounds = 0;
    loop {
        let frozen = Frozen::new(cgroup.dirs());
        let is_complete = frozen.as_ref().is_some_and(Frozen::wait);
        let signalled = signal_all(cgroup, is_complete)?;
        drop(frozen);
        rounds += 1;
        let issued_at = *issued_at.get_or_insert_with(now);
        if signalled.is_none_or_all(is_complete) {
            return Ok(issued_at);
        }
        if Instant::now() > deadline {
            return Err(KillError::Survivors { rounds });
        }
        thread::sleep(NAP);
    }
}

/// Processes signalled, per hierarchy.
#[derive(Default)]
struct Signalled {
    most: u32,
    least: Option<u32>,
}

impl Signalled {
    fn hierarchy(&mut self, count: u32) {
        self.most = self.most.max(count);
        self.least = Some(self.least.map_or(count, |least| least.min(count)));
    }

    /// Nothing was left; or all of it was frozen, which it was if every hierarchy lists as many
    /// processes as the freezer's.
    fn is_none_or_all(&self, frozen: bool) -> bool {
        self.most == 0 || (frozen && self.least == Some(self.most))
    }
}

fn signal_all(cgroup: &PodCgroup, frozen: bool) -> Result<Signalled, KillError> {
    let dirs = cgroup.dirs();
    let own = rustix::process::getpid();
    let mut signalled = Signalled::default();
    let v2_only = dirs.unified.as_ref().filter(|_| dirs.v1().next().is_none());
    for dir in dirs.v1().chain(v2_only) {
        let mut count = 0;
        let frozen = frozen && dirs.freezer.as_ref().is_some_and(|f| std::ptr::eq(f, dir));
        procs::for_each_process(dir, &mut |pid| {
            if pid != own && signal(pid, cgroup, frozen) {
                count += 1;
            }
        })
        .map_err(|errno| KillError::of_file("reading", "cgroup.procs", errno))?;
        signalled.hierarchy(count);
    }
    Ok(signalled)
}

/// Sends SIGKILL; false if the process is gone or another.
fn signal(pid: Pid, cgroup: &PodCgroup, frozen: bool) -> bool {
    if frozen {
        // It cannot end, so the number cannot have passed to another process.
        return rustix::process::kill_process(pid, Signal::KILL) != Err(Errno::SRCH);
    }
    let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
        return false;
    };
    // Asked while the pidfd pins the process: if it is in the pod, it is the one that was listed.
    procs::is_member(pid, cgroup, procs::Hierarchy::Any)
        && rustix::process::pidfd_send_signal(&pidfd, Signal::KILL) != Err(Errno::SRCH)
}

/// A frozen v1 cgroup; thawed when dropped, with those below it.
struct Frozen<'d> {
    dir: &'d OwnedFd,
    state: OwnedFd,
}

impl<'d> Frozen<'d> {
    fn new(dirs: &'d CgroupDirs) -> Option<Self> {
        let dir = dirs.freezer.as_ref()?;
        let state = open_state(dir)?;
        rustix::io::write(&state, b"FROZEN").ok()?;
        Some(Self { dir, state })
    }

    /// Waits until every task is frozen; false if that takes too long.
    fn wait(&self) -> bool {
        let deadline = Instant::now() + FREEZE;
        loop {
            let mut state = [0_u8; 16];
            match rustix::io::pread(&self.state, &mut state, 0) {
                Ok(_) if state.starts_with(b"FROZEN") => return true,
                Ok(_) if Instant::now() < deadline => thread::sleep(NAP),
                Ok(_) | Err(_) => return false,
            }
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // Fails only if the cgroup is gone.
        let _ = rustix::io::write(&self.state, b"THAWED");
        // A container paused by its runtime is frozen by itself and would never die.
        let _ = for_each_dir(self.dir, |name, _| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            if let Ok(child) = rustix::fs::openat(self.dir, name, flags, Mode::empty())
                && let Some(state) = open_state(&child)
            {
                let _ = rustix::io::write(&state, b"THAWED");
            }
        });
    }
}

fn open_state(dir: &OwnedFd) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::openat(dir, c"freezer.state", flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_ends_when_nothing_can_have_been_missed() {
        // name, frozen, processes listed by each hierarchy, the freezer's first
        let cases: [(&str, bool, &[u32], bool); 6] = [
            ("empty", false, &[0, 0, 0], true),
            ("running", false, &[3, 3, 3], false),
            ("frozen", true, &[3, 3, 3], true),
            ("some are not in the freezer's cgroup", true, &[2, 3, 3], false),
            ("none is in the freezer's cgroup", true, &[0, 3], false),
            ("no hierarchy", false, &[], true),
        ];
        for (name, frozen, counts, ends) in cases {
            let mut signalled = Signalled::default();
            counts.iter().for_each(|count| signalled.hierarchy(*count));
            assert_eq!(signalled.is_none_or_all(frozen), ends, "{name}");
        }
    }
}
