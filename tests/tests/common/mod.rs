//! What the integration tests share. They need root, and run one at a time: each has a node of its
//! own, but the machine has only so many cores (and a VM one disk).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod rungs;
pub(crate) mod small_node;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use evictd_tests::{evictd, hierarchies::Hierarchies};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Waits for this binary's other tests.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    assert!(rustix::process::geteuid().is_root(), "these tests need root");
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The evictd under test.
pub(crate) fn evictd_binary() -> PathBuf {
    evictd::binary().unwrap()
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
