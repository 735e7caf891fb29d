//! Memory of the whole node.

use std::{io, path::Path};

use evictd_core::{MonoTime, SignalObservation};

use super::{
    counter_file::{CounterFile, keyed},
    memory::left_of,
};
use crate::{config::MemorySource, pods::CgroupDirs};

/// Where `memory.available` comes from.
#[derive(Debug)]
pub struct NodeMemory {
    meminfo: CounterFile,
    /// The root cgroup's counters, where these are asked instead of the kernel's estimate.
    root: Option<RootCgroup>,
}

/// The root cgroup, which has no usage of its own on v2 (S-12).
#[derive(Debug)]
enum RootCgroup {
    V1 { usage: CounterFile, stat: CounterFile },
    V2 { stat: CounterFile },
}

impl RootCgroup {
    fn open(roots: &CgroupDirs) -> io::Result<Self> {
        match (&roots.memory, &roots.unified) {
            (Some(v1), _) => Ok(Self::V1 {
                usage: CounterFile::open_at(v1, "memory.usage_in_bytes")?,
                stat: CounterFile::open_at(v1, "memory.stat")?,
            }),
            (None, Some(v2)) => Ok(Self::V2 { stat: CounterFile::open_at(v2, "memory.stat")? }),
            (None, None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// S-11.
    fn working_set(&self) -> Option<u64> {
        let (usage, inactive) = match self {
            Self::V1 { usage, stat } => {
                (usage.number()?, stat.read(|text| keyed(text, "total_inactive_file"))?)
            }
            Self::V2 { stat } => stat.read(|text| {
                let usage = keyed(text, "anon")?.saturating_add(keyed(text, "file")?);
                Some((usage, keyed(text, "inactive_file")?))
            })?,
        };
        Some(usage.saturating_sub(inactive))
    }
}

impl NodeMemory {
    /// Opens `meminfo` below `proc` (`/proc`) and, where `source` asks for it, the counters of the root
    /// cgroup.
    pub fn open(proc: &Path, roots: &CgroupDirs, source: MemorySource) -> io::Result<Self> {
        let root = match source {
            MemorySource::Available => None,
            MemorySource::Kubelet => Some(RootCgroup::open(roots)?),
        };
        Ok(Self { meminfo: CounterFile::open(&proc.join("meminfo"))?, root })
    }

    /// `memory.available`: the kernel's own estimate of what can be had without swapping, or the
    /// machine's memory less the root cgroup's working set, as the kubelet has it (S-4, S-12, S-13). The
    /// latter counts no kernel memory on v2, so it is too high (E-36).
    pub fn available(&self, now: MonoTime) -> Option<SignalObservation> {
        let bytes = |text: &str, key| Some(keyed(text, key)?.saturating_mul(1024));
        match &self.root {
            None => self.meminfo.read(|text| {
                let total = bytes(text, "MemTotal:")?;
                let available = bytes(text, "MemAvailable:")?;
                Some(left_of(total, total.saturating_sub(available), now))
            }),
            Some(root) => {
                let total = self.meminfo.read(|text| bytes(text, "MemTotal:"))?;
                Some(left_of(total, root.working_set()?, now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MEMINFO: &str = "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  400 kB\n";

    /// A directory that is `/proc` and the root cgroup at once.
    fn fixture(files: &[(&str, &str)], v1: bool) -> (tempfile::TempDir, CgroupDirs) {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("write");
        }
        let fd = Some(fs::File::open(dir.path()).expect("open").into());
        let dirs = if v1 {
            CgroupDirs { memory: fd, ..CgroupDirs::default() }
        } else {
            CgroupDirs { unified: fd, ..CgroupDirs::default() }
        };
        (dir, dirs)
    }

    fn kib(memory: &NodeMemory) -> Option<(i64, i64)> {
        let seen = memory.available(MonoTime::default())?;
        Some((seen.available / 1024, seen.capacity / 1024))
    }

    /// Of 1000 kB, 200 are anonymous, 300 are page cache, of which 100 have not been used of late, and
    /// 200 are the kernel's: the kubelet does not see those.
    #[test]
    fn e36_the_kubelet_sees_more_memory_than_there_is() {
        let stat = "anon 204800\nfile 307200\nkernel 204800\ninactive_file 102400\n";
        let (dir, roots) = fixture(&[("meminfo", MEMINFO), ("memory.stat", stat)], false);
        for (source, seen) in
            [(MemorySource::Kubelet, (600, 1000)), (MemorySource::Available, (400, 1000))]
        {
            let memory = NodeMemory::open(dir.path(), &roots, source).expect("open");
            assert_eq!(kib(&memory), Some(seen), "{source:?}");
        }
    }

    #[test]
    fn on_v1_the_root_cgroup_has_a_usage() {
        let files = [
            ("meminfo", MEMINFO),
            ("memory.usage_in_bytes", "716800\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 102400\n"),
        ];
        let (dir, roots) = fixture(&files, true);
        let memory = NodeMemory::open(dir.path(), &roots, MemorySource::Kubelet).expect("open");
        assert_eq!(kib(&memory), Some((400, 1000)));
    }

    #[test]
    fn incomplete_is_absent() {
        let files = [("meminfo", "MemTotal:  1000 kB\n"), ("memory.stat", "anon 1\nfile 2\n")];
        let (dir, roots) = fixture(&files, false);
        for source in [MemorySource::Kubelet, MemorySource::Available] {
            let memory = NodeMemory::open(dir.path(), &roots, source).expect("open");
            assert_eq!(kib(&memory), None, "S-3: {source:?}");
        }
    }
}
