//! Killing a pod at once, addressed by (pod UID, cgroup inode). Nothing here allocates.

use evictd_core::{MonoTime, PodRef};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{KillError, reap::LargeProcesses, sweep};
use crate::{
    clock::now,
    pods::{CgroupTree, Pod, PodCgroup, procs},
};

/// How a pod is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMethod {
    /// One write to `cgroup.kill`: the kernel kills everything in it, forking processes included.
    CgroupKill,
    /// SIGKILL to every process listed, with the v1 freezer where there is one.
    Sweep,
    /// SIGTERM: the pod has a grace period first.
    Terminate,
}

impl KillMethod {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CgroupKill => "cgroup.kill",
            Self::Sweep => "sweep",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// A kill that was issued.
#[derive(Clone, Copy, Debug)]
pub struct Killed {
    /// When the last system call that was needed for it returned.
    pub issued_at: MonoTime,
    /// How.
    pub method: KillMethod,
}

/// Kills every process of `pod`, if its cgroup is still the one of `target`. With `reap` its
/// largest processes are pinned before the kill and returned, for [`super::Reaper`].
pub fn kill(
    pod: &Pod,
    target: &PodRef,
    tree: &CgroupTree,
    reap: bool,
) -> Result<(Killed, Option<LargeProcesses>), KillError> {
    let cgroup = verify(pod, target, tree)?;
    // Before the kill: afterwards they may be gone, and their numbers given to others.
    let large = reap.then(|| LargeProcesses::find(cgroup.dirs()));
    let killed = match write_cgroup_kill(cgroup) {
        Some(written) => {
            written?;
            let killed = Killed { issued_at: now(), method: KillMethod::CgroupKill };
            // A runtime may have put processes into the v1 hierarchies only.
            if procs::any_outside_unified(cgroup) {
                sweep::sweep(cgroup)?;
            }
            killed
        }
        None => Killed { issued_at: sweep::sweep(cgroup)?, method: KillMethod::Sweep },
    };
    Ok((killed, large))
}

/// The pod's cgroup, if it is the one that `target` names: the directory held open and the one now
/// at its path must both have the inode.
pub(super) fn verify<'p>(
    pod: &'p Pod,
    target: &PodRef,
    tree: &CgroupTree,
) -> Result<&'p PodCgroup, KillError> {
    let decided = target.cgroup_inode;
    let Some(cgroup) = pod.cgroup() else {
        return Err(KillError::NoCgroup { errno: Errno::NOENT });
    };
    let found = tree.lookup(cgroup.relative()).map_err(|errno| KillError::NoCgroup { errno })?;
    if found != decided {
        return Err(KillError::Reused { decided, found });
    }
    let held = cgroup
        .dirs()
        .identity()
        .ok_or(Errno::NOENT)
        .and_then(rustix::fs::fstat)
        .map_err(|errno| KillError::NoCgroup { errno })?
        .st_ino;
    if held != decided {
        return Err(KillError::Reused { decided, found: held });
    }
    Ok(cgroup)
}

/// `None` where there is no `cgroup.kill` (cgroup v1; v2 before Linux 5.14).
fn write_cgroup_kill(cgroup: &PodCgroup) -> Option<Result<(), KillError>> {
    let dir = cgroup.dirs().unified.as_ref()?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, c"cgroup.kill", flags, Mode::empty()) {
        Ok(file) => file,
        // Missing because the kernel is old, unless the cgroup went away just now.
        Err(Errno::NOENT)
            if rustix::fs::openat(
                dir,
                c"cgroup.procs",
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .is_ok() =>
        {
            return None;
        }
        Err(errno) => return Some(Err(KillError::of_file("opening", "cgroup.kill", errno))),
    };
    Some(match rustix::io::write(&file, b"1") {
        Ok(_) => Ok(()),
        Err(errno) => Err(KillError::of_file("writing 1 to", "cgroup.kill", errno)),
    })
}
