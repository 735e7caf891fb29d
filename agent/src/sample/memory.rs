//! Memory of a cgroup.

use std::io;

use evictd_core::{MonoTime, SignalObservation};

use super::counter_file::{CounterFile, keyed};
use crate::pods::CgroupDirs;

/// Above this a limit is "none" (S-13).
const NO_LIMIT: u64 = 1 << 62;

/// The memory counters of one cgroup, v1 or v2.
#[derive(Debug)]
pub struct CgroupMemory {
    usage: CounterFile,
    stat: CounterFile,
    limit: Option<CounterFile>,
    inactive_file: &'static str,
}

impl CgroupMemory {
    /// Opens the counters in whichever hierarchy has the memory controller.
    pub fn open(dirs: &CgroupDirs) -> io::Result<Self> {
        let (dir, usage, limit, inactive_file) = match (&dirs.memory, &dirs.unified) {
            (Some(v1), _) => {
                (v1, "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
            }
            (None, Some(v2)) => (v2, "memory.current", "memory.max", "inactive_file"),
            (None, None) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Self {
            usage: CounterFile::open_at(dir, usage)?,
            stat: CounterFile::open_at(dir, "memory.stat")?,
            // The root cgroup has none.
            limit: CounterFile::open_at(dir, limit).ok(),
            inactive_file,
        })
    }

    /// Opens the counters of the cgroup `name` directly below.
    pub fn open_below(dirs: &CgroupDirs, name: &str) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags};
        let open = |dir: &Option<std::os::fd::OwnedFd>| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(dir.as_ref()?, name, flags, Mode::empty()).ok()
        };
        let (memory, unified) = (open(&dirs.memory), open(&dirs.unified));
        Self::open(&CgroupDirs { memory, unified, ..CgroupDirs::default() })
    }

    /// Working set in bytes (S-11).
    pub fn working_set(&self) -> Option<u64> {
        self.working_set_of(self.usage()?)
    }

    /// Everything charged to it, in bytes: half of the working set's cost.
    pub fn usage(&self) -> Option<u64> {
        self.usage.number()
    }

    /// The working set, with `usage` read before. What is inactive outlives the processes, so that this
    /// can be asked when they are dead already.
    pub fn working_set_of(&self, usage: u64) -> Option<u64> {
        let inactive = self.stat.read(|text| keyed(text, self.inactive_file))?;
        Some(usage.saturating_sub(inactive))
    }

    /// The limit in bytes; `None` without one (S-13).
    pub fn limit(&self) -> Option<u64> {
        self.limit.as_ref()?.number().filter(|limit| *limit <= NO_LIMIT)
    }

    /// What is left under the limit (S-5, S-13). Below zero while more is used than allowed, where
    /// the kubelet's unsigned subtraction would wrap (S-9).
    pub fn available(&self, now: MonoTime) -> Option<SignalObservation> {
        let limit = self.limit()?;
        Some(left_of(limit, self.working_set()?, now))
    }
}

/// The observation of a resource with `capacity` of which `used` is used.
pub(super) fn left_of(capacity: u64, used: u64, now: MonoTime) -> SignalObservation {
    let signed = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
    SignalObservation {
        available: signed(capacity).saturating_sub(signed(used)),
        capacity: signed(capacity),
        at: Some(now),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn dirs(path: &Path, v1: bool) -> CgroupDirs {
        let fd = fs::File::open(path).expect("open").into();
        if v1 {
            CgroupDirs { memory: Some(fd), ..CgroupDirs::default() }
        } else {
            CgroupDirs { unified: Some(fd), ..CgroupDirs::default() }
        }
    }

    #[test]
    fn cgroup_counters_of_both_versions() {
        // name, v1, usage, stat, limit, working set, available
        let cases = [
            ("v2", false, "1000", "anon 1\ninactive_file 300\n", "2000", Some(700), Some(1300)),
            ("v2, no limit", false, "1000", "inactive_file 300\n", "max", Some(700), None),
            ("v2, floored", false, "100", "inactive_file 300\n", "200", Some(0), Some(200)),
            ("v2, over", false, "900", "inactive_file 0\n", "200", Some(900), Some(-700)),
            ("v2, no stat", false, "900", "anon 1\n", "2000", None, None),
            (
                "v1",
                true,
                "1000",
                "inactive_file 1\ntotal_inactive_file 200\n",
                "5000",
                Some(800),
                Some(4200),
            ),
            (
                "v1, no limit",
                true,
                "1000",
                "total_inactive_file 0\n",
                "9223372036854771712",
                Some(1000),
                None,
            ),
        ];
        for (name, v1, usage, stat, limit, working_set, available) in cases {
            let dir = tempfile::tempdir().expect("temporary directory");
            let names = if v1 {
                ["memory.usage_in_bytes", "memory.limit_in_bytes"]
            } else {
                ["memory.current", "memory.max"]
            };
            fs::write(dir.path().join(names[0]), usage).expect("write");
            fs::write(dir.path().join(names[1]), limit).expect("write");
            fs::write(dir.path().join("memory.stat"), stat).expect("write");
            let memory = CgroupMemory::open(&dirs(dir.path(), v1)).expect(name);
            assert_eq!(memory.working_set(), working_set, "{name}");
            let now = MonoTime::from_nanos(5);
            let seen = memory.available(now);
            assert_eq!(seen.map(|o| o.available), available, "{name}");
            assert!(seen.is_none_or(|o| o.at == Some(now)), "{name}");
        }
    }
}
