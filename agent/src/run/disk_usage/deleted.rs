//! Files without a name that processes of a pod hold open: they take space that no walk of directories
//! finds.

use std::os::fd::{AsFd as _, OwnedFd};

use evictd_core::DiskUsage;
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags},
    process::Pid,
};

use super::naming::{Naming, key};
use crate::{pods::procs::for_each_process, sample::Walk};

/// Descriptors looked at for one pod.
const MOST: usize = 20_000;

/// What they hold on the filesystem with that kernel number, each once. What cannot be looked into holds
/// nothing.
pub(super) fn held(
    cgroup: &OwnedFd,
    dev: u32,
    walk: &mut Walk<'_>,
    mut naming: Option<&mut Naming<'_>>,
) -> DiskUsage {
    let (mut held, mut left) = (DiskUsage::default(), MOST);
    // A cgroup that goes meanwhile holds nothing.
    let _ = for_each_process(cgroup, &mut |pid| {
        let found = in_process(pid, dev, walk, &mut naming, &mut left);
        held.bytes = held.bytes.saturating_add(found.bytes);
        held.inodes = held.inodes.saturating_add(found.inodes);
    });
    held
}

fn in_process(
    pid: Pid,
    dev: u32,
    walk: &mut Walk<'_>,
    naming: &mut Option<&mut Naming<'_>>,
    left: &mut usize,
) -> DiskUsage {
    let mut held = DiskUsage::default();
    let path = format!("/proc/{}/fd", pid.as_raw_pid());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(fds) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else {
        return held;
    };
    for entry in Dir::read_from(&fds).into_iter().flatten().flatten() {
        if *left == 0 {
            return held;
        }
        *left -= 1;
        let Ok(stat) = rustix::fs::statat(fds.as_fd(), entry.file_name(), AtFlags::empty()) else {
            continue;
        };
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || stat.st_nlink > 0 || key(&stat).dev != dev || !walk.meet(&stat) {
            continue;
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(open) = rustix::fs::openat(fds.as_fd(), entry.file_name(), flags, Mode::empty())
        else {
            continue;
        };
        // The descriptor may be another file's by now.
        if let Ok(now) = rustix::fs::fstat(&open)
            && (now.st_ino, now.st_nlink) == (stat.st_ino, 0)
        {
            held.bytes += u64::try_from(now.st_blocks).unwrap_or_default().saturating_mul(512);
            held.inodes += 1;
            if let Some(naming) = naming.as_deref_mut() {
                naming.nameless(&now);
            }
        }
    }
    held
}
