//! The processes of a cgroup and of those below it, read without allocating.

use std::{
    ffi::CStr,
    io::{Cursor, Write},
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
    process::Pid,
};

use super::{CgroupDirs, PodCgroup, for_each_dir};

/// Cgroups nested deeper than this below a pod are not looked into.
const MAX_DEPTH: u32 = 8;

/// Calls `visit` with every process in the cgroup `dir` and below. A cgroup that is gone has none.
pub(crate) fn for_each_process(dir: impl AsFd, visit: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
    below(dir.as_fd(), 0, visit)
}

fn below(dir: impl AsFd, depth: u32, visit: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
    match directly_in(&dir, visit) {
        // A threaded v2 cgroup: its processes are listed above.
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    if depth == MAX_DEPTH {
        return Ok(());
    }
    let mut result = Ok(());
    let listed = for_each_dir(&dir, |name, _| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if let Ok(child) = rustix::fs::openat(&dir, name, flags, Mode::empty()) {
            result = result.and(below(child.as_fd(), depth + 1, visit));
        }
    });
    match listed {
        Ok(()) | Err(Errno::NOENT | Errno::NODEV) => result,
        Err(errno) => Err(errno),
    }
}

fn directly_in(dir: impl AsFd, visit: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, c"cgroup.procs", flags, Mode::empty())?;
    let mut buffer = [0_u8; 4096];
    let mut pid = 0_i32;
    loop {
        let read = rustix::io::read(&file, &mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        for byte in &buffer[..read] {
            if byte.is_ascii_digit() {
                pid = pid.wrapping_mul(10).wrapping_add(i32::from(byte - b'0'));
                continue;
            }
            // 0 is a process outside our pid namespace: there is no number to signal it by.
            if let Some(pid) = Pid::from_raw(pid) {
                visit(pid);
            }
            pid = 0;
        }
    }
}

/// Whether a process of the pod's v1 cgroups is not in its v2 cgroup.
pub(crate) fn any_outside_unified(cgroup: &PodCgroup) -> bool {
    let mut outside = false;
    for dir in cgroup.dirs().v1() {
        // What cannot be read cannot be swept either.
        let _ = for_each_process(dir, &mut |pid| {
            outside |= !is_member(pid, cgroup, Hierarchy::Unified);
        });
    }
    outside
}

/// Whether this process is among those of the cgroup. Asked of the cgroup, since what `/proc/self/cgroup`
/// says depends on the cgroup namespace.
pub(crate) fn holds_this_process(cgroup: &PodCgroup) -> bool {
    let own = rustix::process::getpid();
    let mut found = false;
    for dir in cgroup.dirs().each().into_iter().flatten() {
        // What cannot be read cannot be told.
        let _ = for_each_process(dir, &mut |pid| found |= pid == own);
    }
    found
}

/// Number of processes of the pod, as the kubelet counts them (E-54).
pub(crate) fn count(cgroup: &PodCgroup) -> Option<u64> {
    let mut count = 0;
    for_each_process(cgroup.dirs().identity()?, &mut |_| count += 1).ok()?;
    Some(count)
}

/// Number of processes of a cgroup, in the hierarchy that counts its tasks; with those of the cgroups
/// `below`, or without. `None` if they cannot be listed.
pub(crate) fn count_in(dirs: &CgroupDirs, below: bool) -> Option<u64> {
    let dir = dirs.pids.as_ref().or(dirs.unified.as_ref())?;
    let mut count = 0;
    let mut visit = |_| count += 1;
    if below { for_each_process(dir, &mut visit) } else { directly_in(dir, &mut visit) }.ok()?;
    Some(count)
}

/// Which line of `/proc/PID/cgroup` counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// v2.
    Unified,
    /// Any.
    Any,
}

/// Whether the process is in the pod's cgroup or below. A process that has ended counts as a member:
/// nothing is left to be done about it.
pub(crate) fn is_member(pid: Pid, cgroup: &PodCgroup, hierarchy: Hierarchy) -> bool {
    let mut path = [0_u8; 32];
    let mut text = [0_u8; 8192];
    let Some(file) = open_proc(pid, "cgroup", &mut path) else {
        return true;
    };
    let mut len = 0;
    while len < text.len() {
        match rustix::io::read(&file, &mut text[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(_) => return true,
        }
    }
    // The UID in it is unique, and the part before it depends on our own cgroup namespace.
    let pod = cgroup.relative().to_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    text[..len]
        .split(|b| *b == b'\n')
        .filter(|line| hierarchy == Hierarchy::Any || line.starts_with(b"0::"))
        .any(|line| line.split(|b| matches!(b, b'/' | b' ')).any(|part| part == pod))
}

/// Opens a file of `/proc/PID`.
pub(crate) fn open_proc(pid: Pid, file: &str, path: &mut [u8; 32]) -> Option<OwnedFd> {
    let mut out = Cursor::new(&mut path[..]);
    write!(out, "/proc/{}/{file}\0", pid.as_raw_pid()).ok()?;
    let path = CStr::from_bytes_until_nul(path).ok()?;
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}
