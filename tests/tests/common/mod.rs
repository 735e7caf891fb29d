//! What the integration tests share. They need root, and run one at a time: each has a node of its
//! own, but the machine has only so many cores (and a VM one disk).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod ballast;
pub(crate) mod rungs;
pub(crate) mod small_node;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use evictd_tests::{evictd, hierarchies::Hierarchies};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Waits for this binary's other tests.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    assert!(rustix::process::geteuid().is_root(), "these tests need root");
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`alone`], with tracefs and securityfs where they usually are. Where they are not, they are mounted
/// for this thread and what it starts, and for nobody else.
pub(crate) fn alone_with_tracefs() -> MutexGuard<'static, ()> {
    let alone = alone();
    let wanted = [
        ("tracefs", "/sys/kernel/tracing", "events"),
        ("securityfs", "/sys/kernel/security", "lsm"),
    ];
    let missing = wanted.into_iter().filter(|(_, at, has)| !Path::new(at).join(has).exists());
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        // SAFETY: no descriptor is shared or unshared by a mount namespace.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
    }
    for (kind, at, _) in missing {
        if let Err(error) = mount(kind, at, kind, MountFlags::empty(), None) {
            println!("{kind} cannot be mounted: {error}");
        }
    }
    alone
}

/// The evictd under test.
pub(crate) fn evictd_binary() -> PathBuf {
    evictd::binary().unwrap()
}

/// Waits until something is so that nothing tells of.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a sandbox of process `pid` leaves behind: cgroups, mounts, loop devices, directories.
pub(crate) fn leftovers(pid: u32) -> Vec<String> {
    let mut found = Vec::new();
    let hierarchies = Hierarchies::of_this_machine().unwrap();
    let temp = std::env::temp_dir();
    let names = [format!("evictd-{pid}-"), format!("evictd-node-{pid}-")];
    for dir in hierarchies.roots().into_iter().chain([temp.as_path()]) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if names.iter().any(|prefix| name.starts_with(prefix)) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains(&names[1])).map(str::to_owned));
    for entry in std::fs::read_dir("/sys/block").unwrap().flatten() {
        let backing = entry.path().join("loop/backing_file");
        let file = std::fs::read_to_string(backing).unwrap_or_default();
        if file.contains(&names[1]) {
            found.push(format!("{} -> {}", entry.path().display(), file.trim()));
        }
    }
    found
}
