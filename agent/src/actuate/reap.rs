//! Giving back the memory of killed processes without waiting for them to die (Linux 5.15).

use std::{
    os::fd::{AsRawFd, OwnedFd},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use rustix::process::{Pid, PidfdFlags};

use crate::pods::{CgroupDirs, procs};

/// Processes smaller than this die fast enough by themselves.
const WORTH_IT_BYTES: u64 = 64 << 20;
/// Processes looked at: a pod of very many small ones must not delay its kill.
const MAX_LOOKED_AT: u32 = 64;
const MAX_RELEASED: usize = 4;

/// The largest processes of a pod, pinned so that their numbers cannot pass to others.
#[derive(Debug)]
pub struct LargeProcesses([Option<OwnedFd>; MAX_RELEASED]);

impl LargeProcesses {
    pub(super) fn find(dirs: &CgroupDirs) -> Self {
        let mut largest = [(0_u64, None::<Pid>); MAX_RELEASED];
        let mut looked_at = 0;
        if let Some(dir) = dirs.memory.as_ref().or(dirs.unified.as_ref()) {
            // Only an optimisation: what cannot be read is left to the kernel.
            let _ = procs::for_each_process(dir, &mut |pid| {
                looked_at += 1;
                if looked_at > MAX_LOOKED_AT {
                    return;
                }
                let bytes = resident_bytes(pid);
                if let Some(slot) = largest.iter_mut().min_by_key(|(bytes, _)| *bytes)
                    && bytes >= WORTH_IT_BYTES
                    && bytes > slot.0
                {
                    *slot = (bytes, Some(pid));
                }
            });
        }
        Self(largest.map(|(_, pid)| rustix::process::pidfd_open(pid?, PidfdFlags::empty()).ok()))
    }

    fn release_memory(&self) {
        for pidfd in self.0.iter().flatten() {
            // SAFETY: the call takes a file descriptor, which is open, and no pointers. It fails
            // unless the process is being killed.
            unsafe { libc::syscall(libc::SYS_process_mrelease, pidfd.as_raw_fd(), 0) };
        }
    }
}

/// Victims that may wait for the reaper.
const QUEUE: usize = 16;

/// A thread that gives memory back: it takes tens of milliseconds, which the next decision must not
/// wait for.
#[derive(Debug)]
pub struct Reaper(SyncSender<LargeProcesses>);

impl Reaper {
    /// Starts the thread, before memory is short; it ends with the value.
    pub fn start() -> Self {
        let (sender, victims) = sync_channel::<LargeProcesses>(QUEUE);
        thread::spawn(move || victims.iter().for_each(|large| large.release_memory()));
        Self(sender)
    }

    /// Gives back the memory of killed processes. Neither waits nor allocates; with too many victims
    /// at once the kernel does it in its own time.
    pub fn release(&self, large: LargeProcesses) {
        let _ = self.0.try_send(large);
    }
}

fn resident_bytes(pid: Pid) -> u64 {
    let (mut path, mut text) = ([0_u8; 32], [0_u8; 128]);
    let pages = procs::open_proc(pid, "statm", &mut path).and_then(|file| {
        let len = rustix::io::read(&file, &mut text).ok()?;
        str::from_utf8(&text[..len]).ok()?.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    });
    pages.unwrap_or(0).saturating_mul(rustix::param::page_size() as u64)
}
