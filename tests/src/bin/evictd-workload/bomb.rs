//! A fork bomb: every process forks, and every child does the same, up to a number.

use std::{
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::{
    args::Args,
    hog::{announce, sleep_until_killed},
};

/// How long a process whose fork was refused waits before it tries again (a shell waits longer).
const RETRY: Duration = Duration::from_millis(50);

pub(crate) fn fork_bomb(args: &Args) -> Result<(), String> {
    announce()?;
    let count = shared_counter()?;
    let max = args.number("max", 64);
    // This process is the first.
    count.store(1, Ordering::Relaxed);
    while count.fetch_add(1, Ordering::Relaxed) < max {
        // SAFETY: this process has one thread, so the child may do anything.
        if unsafe { libc::fork() } < 0 {
            count.fetch_sub(1, Ordering::Relaxed);
            thread::sleep(RETRY);
        }
    }
    sleep_until_killed()
}

/// A counter that all processes share.
fn shared_counter() -> Result<&'static AtomicU64, String> {
    // SAFETY: a new mapping at an address of the kernel's choice; nobody else knows it.
    let page = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            size_of::<AtomicU64>(),
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )
    };
    let page = page.map_err(|e| format!("mmap: {e}"))?;
    // SAFETY: page-aligned, zeroed, never unmapped, and used only as this atomic.
    Ok(unsafe { AtomicU64::from_ptr(page.cast()) })
}
