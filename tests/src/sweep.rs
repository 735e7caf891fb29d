//! Removes what runs that died (SIGKILL, power) have left behind.

use std::{env, fs, path::Path, process, sync::Arc};

use rustix::mount::{UnmountFlags, unmount};

use crate::{cgroup::Cgroup, hierarchies::Hierarchies, scratch};

/// Sandboxes' cgroups are `evictd-<pid>-<number>`.
pub(crate) const CGROUP_PREFIX: &str = "evictd-";
/// Sandboxes' directories are `evictd-node-<pid>-<number>`, below the temporary directory.
pub(crate) const DIR_PREFIX: &str = "evictd-node-";

/// Removes cgroups, mounts and directories of sandboxes whose process is gone. Says on stderr what
/// it could not remove; a leftover never stops a new run.
pub fn leftovers(hierarchies: &Arc<Hierarchies>) {
    // Processes first: they keep mounts busy.
    for root in hierarchies.roots() {
        for name in orphans(root, CGROUP_PREFIX) {
            if let Err(e) = Cgroup::root(Arc::clone(hierarchies)).at(&name).remove() {
                eprintln!("sweeping cgroup {name}: {e:#}");
            }
        }
    }
    let temp = env::temp_dir();
    for name in orphans(&temp, DIR_PREFIX) {
        let dir = temp.join(&name);
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == "nodefs" || name.to_string_lossy().starts_with(scratch::PREFIX) {
                // Not mounted is the usual case.
                let _ = unmount(entry.path(), UnmountFlags::DETACH);
            }
        }
        if let Err(e) = fs::remove_dir_all(&dir) {
            eprintln!("sweeping {}: {e}", dir.display());
        }
    }
}

/// Names in `dir` that are a sandbox's and whose process is gone.
pub(crate) fn orphans(dir: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| owner(name, prefix).is_some_and(is_gone))
        .collect()
}

/// The process that made the sandbox of this name, if it is a sandbox's name.
fn owner(name: &str, prefix: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix(prefix)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn is_gone(pid: u32) -> bool {
    pid != process::id() && !Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sandboxes_names_have_an_owner() {
        for (name, prefix, owner_pid) in [
            ("evictd-123-0", CGROUP_PREFIX, Some(123)),
            ("evictd-node-123-4", DIR_PREFIX, Some(123)),
            ("evictd-node-123-4", CGROUP_PREFIX, None),
            ("evictd-test-123", CGROUP_PREFIX, None),
            ("evictd-123", CGROUP_PREFIX, None),
            ("kubepods", CGROUP_PREFIX, None),
            ("evictd-123-x", CGROUP_PREFIX, None),
        ] {
            assert_eq!(owner(name, prefix), owner_pid, "{name}");
        }
    }

    #[test]
    fn a_live_process_is_not_gone() {
        assert!(!is_gone(process::id()));
        assert!(!is_gone(1));
        assert!(is_gone(u32::MAX));
    }
}
