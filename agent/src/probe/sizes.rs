//! Sizes of the counting maps, from what the node holds; and what the maps take of memory.

use std::{fs, path::Path};

/// Pods of a node that sets no limit of its own (the kubelet's default).
const USUAL_PODS: u32 = 110;

/// cgroups of a pod: its own, its sandbox and a few containers.
const CGROUPS_PER_POD: u32 = 8;
/// cgroups that are no pod's: services, slices, sessions.
const OTHER_CGROUPS: u32 = 512;
/// Filesystems that a cgroup writes to.
const DEVICES: u32 = 2;
/// Log directories of a pod, one a container.
const LOG_DIRECTORIES_PER_POD: u32 = 8;
/// Files whose owner is remembered.
const FILES_PER_POD: u32 = 128;

/// Sizes for the usual node.
pub(super) static USUAL: [(&str, u32); 5] = map_sizes(USUAL_PODS);

/// Entries of each map on a node with that many pods. The kernel rounds some up.
pub const fn map_sizes(pods: u32) -> [(&'static str, u32); 5] {
    let pods = if pods > USUAL_PODS { pods } else { USUAL_PODS };
    let cgroups = pods.saturating_mul(CGROUPS_PER_POD).saturating_add(OTHER_CGROUPS);
    let written = cgroups.saturating_mul(DEVICES);
    let log_directories = pods.saturating_mul(LOG_DIRECTORIES_PER_POD);
    [
        ("TASKS", cgroups),
        ("WRITES", written),
        ("LOG_WRITES", log_directories),
        ("SPACE", written.saturating_add(log_directories)),
        ("INODES", pods.saturating_mul(FILES_PER_POD)),
    ]
}

/// Files and directories of cgroups that are watched at most on a node with that many pods, where they
/// take the place of programs.
pub fn most_cgroup_files(pods: usize) -> usize {
    let pods = pods.max(USUAL_PODS as usize);
    pods.saturating_mul(CGROUPS_PER_POD as usize)
}

/// Kernel memory of all BPF maps that this process holds, as the kernel reckons it; `None` if it
/// cannot be told.
pub fn map_bytes() -> Option<u64> {
    let descriptors = fs::read_dir("/proc/self/fdinfo").ok()?;
    descriptors.flatten().map(|descriptor| bytes_of(&descriptor.path())).sum()
}

/// Of one descriptor; 0 if it is no map.
fn bytes_of(info: &Path) -> Option<u64> {
    // The descriptor that lists the directory is gone by now.
    let Ok(info) = fs::read_to_string(info) else {
        return Some(0);
    };
    if !info.lines().any(|line| line.starts_with("map_type:")) {
        return Some(0);
    }
    info.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_grow_with_the_pods_and_never_fall_below_the_usual_node() {
        let entries = |pods, map| {
            map_sizes(pods).into_iter().find(|(name, _)| *name == map).map(|(_, size)| size)
        };
        assert_eq!(entries(0, "TASKS"), Some(1392));
        assert_eq!(entries(110, "TASKS"), Some(1392));
        assert_eq!(entries(1000, "TASKS"), Some(8512));
        assert_eq!(entries(1000, "INODES"), Some(128_000));
        assert_eq!(entries(u32::MAX, "WRITES"), Some(u32::MAX), "no overflow");
    }

    #[test]
    fn only_maps_have_map_bytes() {
        let dir = std::env::temp_dir().join(format!("evictd-fdinfo-{}", std::process::id()));
        let cases = [
            (
                "map",
                "pos:\t0\nmap_type:\t1\nmax_entries:\t4096\nmemlock:\t4194304\n",
                Some(4_194_304),
            ),
            ("program", "pos:\t0\nprog_type:\t5\nmemlock:\t4096\n", Some(0)),
            ("file", "pos:\t0\n", Some(0)),
            ("no figure", "map_type:\t1\n", None),
        ];
        for (name, text, expected) in cases {
            fs::write(&dir, text).unwrap();
            assert_eq!(bytes_of(&dir), expected, "{name}");
        }
        fs::remove_file(&dir).unwrap();
    }
}
