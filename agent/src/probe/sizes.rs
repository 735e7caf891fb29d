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
const FILES: &str = "INODES";

/// Bytes of a per-CPU value, and of an entry beside its values, about: key, links, pointer.
const VALUE: u64 = 16;
const ENTRY: u64 = 96;
/// Bytes of an entry of `INODES`, about.
const FILE: u64 = 128;

/// Sizes of the counting maps on the usual node, whatever its CPUs.
pub(super) static USUAL: MapSizes = MapSizes::of(USUAL_PODS, 1);

/// Entries of each counting map. The kernel rounds some up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSizes {
    /// Pods that there is room for.
    pub pods: u32,
    /// Possible CPUs: every entry but a file's has a value for each.
    pub cpus: u32,
    entries: [(&'static str, u32); 5],
}

impl MapSizes {
    /// The counting maps take no more than about so many bytes. Where the pods of a large node would
    /// need more, there is room for fewer, and what finds none is counted as others'.
    pub const MOST_BYTES: u64 = 64 << 20;

    /// For a node that may have `max_pods` and has `pods`, on this machine.
    pub fn of_node(max_pods: u32, pods: usize) -> Self {
        let pods = max_pods.max(u32::try_from(pods).unwrap_or(u32::MAX));
        // Where the kernel does not tell, the maps cannot be made either.
        let cpus = aya::util::nr_cpus().unwrap_or(1);
        Self::of(pods, u32::try_from(cpus).unwrap_or(u32::MAX))
    }

    const fn of(pods: u32, cpus: u32) -> Self {
        let pods = if pods > USUAL_PODS { pods } else { USUAL_PODS };
        let wanted = Self::unbounded(pods, cpus);
        let bytes = wanted.bytes();
        if bytes <= Self::MOST_BYTES {
            return wanted;
        }
        let mut bounded = wanted;
        let mut i = 0;
        while i < bounded.entries.len() {
            let (name, entries) = wanted.entries[i];
            // In 128 bits, and not larger than it was.
            let fewer = (entries as u128 * Self::MOST_BYTES as u128 / bytes as u128) as u32;
            bounded.entries[i] = (name, if fewer == 0 { 1 } else { fewer });
            i += 1;
        }
        bounded
    }

    const fn unbounded(pods: u32, cpus: u32) -> Self {
        let cgroups = pods.saturating_mul(CGROUPS_PER_POD).saturating_add(OTHER_CGROUPS);
        let written = cgroups.saturating_mul(DEVICES);
        let log_directories = pods.saturating_mul(LOG_DIRECTORIES_PER_POD);
        let entries = [
            ("TASKS", cgroups),
            ("WRITES", written),
            ("LOG_WRITES", log_directories),
            ("SPACE", written.saturating_add(log_directories)),
            (FILES, pods.saturating_mul(FILES_PER_POD)),
        ];
        Self { pods, cpus, entries }
    }

    /// What they take, about.
    const fn bytes(&self) -> u64 {
        let per_cpu = VALUE.saturating_mul(self.cpus as u64).saturating_add(ENTRY);
        let [(_, tasks), (_, writes), (_, logs), (_, space), (_, files)] = self.entries;
        let counts = tasks as u64 + writes as u64 + logs as u64 + space as u64;
        counts.saturating_mul(per_cpu).saturating_add(files as u64 * FILE)
    }

    /// Entries by map.
    pub const fn entries(&self) -> &[(&'static str, u32)] {
        &self.entries
    }
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

    fn entries(sizes: MapSizes, map: &str) -> Option<u32> {
        sizes.entries().iter().find(|(name, _)| *name == map).map(|(_, entries)| *entries)
    }

    #[test]
    fn maps_grow_with_the_pods_and_never_fall_below_the_usual_node() {
        let of = |pods, map| entries(MapSizes::of(pods, 4), map);
        assert_eq!(of(0, "TASKS"), Some(1392));
        assert_eq!(of(110, "TASKS"), Some(1392));
        assert_eq!(of(1000, "TASKS"), Some(8512));
        assert_eq!(of(1000, "INODES"), Some(128_000));
    }

    #[test]
    fn however_large_the_node_the_maps_have_a_bound() {
        for (pods, cpus) in [(110, 2), (110, 256), (110, 8192), (1000, 256), (u32::MAX, 1)] {
            let sizes = MapSizes::of(pods, cpus);
            assert!(sizes.bytes() <= MapSizes::MOST_BYTES, "{pods} pods, {cpus} CPUs: {sizes:?}");
            assert!(sizes.entries().iter().all(|(_, entries)| *entries > 0), "{sizes:?}");
        }
        assert_eq!(MapSizes::of(110, 256).entries, MapSizes::of(110, 1).entries, "there is room");
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
