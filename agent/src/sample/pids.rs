//! Tasks of a cgroup and of the node.

use std::{io, path::Path};

use evictd_core::{MonoTime, SignalObservation};

use super::{counter_file::CounterFile, memory::left_of};
use crate::pods::CgroupDirs;

/// The task counters of one cgroup, v1 or v2.
#[derive(Debug)]
pub struct CgroupPids {
    current: CounterFile,
    max: Option<CounterFile>,
}

impl CgroupPids {
    /// Opens the counters in whichever hierarchy has the pids controller.
    pub fn open(dirs: &CgroupDirs) -> io::Result<Self> {
        let Some(dir) = dirs.pids.as_ref().or(dirs.unified.as_ref()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        Ok(Self {
            current: CounterFile::open_at(dir, "pids.current")?,
            // The root cgroup has none.
            max: CounterFile::open_at(dir, "pids.max").ok(),
        })
    }

    /// Tasks in the cgroup and below.
    pub fn tasks(&self) -> Option<u64> {
        self.current.number()
    }

    /// What is left under the cgroup's own limit; `None` without one.
    pub fn available(&self, now: MonoTime) -> Option<SignalObservation> {
        let max = self.max.as_ref()?.number().filter(|max| *max != u64::MAX)?;
        Some(left_of(max, self.tasks()?, now))
    }
}

/// The tasks of the whole node (S-15).
#[derive(Debug)]
pub struct NodePids {
    pid_max: CounterFile,
    threads_max: CounterFile,
    loadavg: CounterFile,
}

impl NodePids {
    /// Opens the files below `proc` (`/proc`).
    pub fn open(proc: &Path) -> io::Result<Self> {
        Ok(Self {
            pid_max: CounterFile::open(&proc.join("sys/kernel/pid_max"))?,
            threads_max: CounterFile::open(&proc.join("sys/kernel/threads-max"))?,
            loadavg: CounterFile::open(&proc.join("loadavg"))?,
        })
    }

    /// `pid.available` of the node (S-8).
    pub fn available(&self, now: MonoTime) -> Option<SignalObservation> {
        let max = self.pid_max.number()?.min(self.threads_max.number()?);
        let running = self
            .loadavg
            .read(|text| text.split_ascii_whitespace().nth(3)?.split_once('/')?.1.parse().ok())?;
        Some(left_of(max, running, now))
    }
}

/// The one with less left; the other where one is unknown.
pub(super) fn tighter(
    a: Option<SignalObservation>,
    b: Option<SignalObservation>,
) -> Option<SignalObservation> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.available < a.available { b } else { a }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn node_pids_are_the_smaller_limit_less_all_threads() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let kernel = dir.path().join("sys/kernel");
        fs::create_dir_all(&kernel).expect("mkdir");
        for (pid_max, threads_max, loadavg, expected) in [
            ("32768", "1000", "0.0 0.1 0.2 3/150 77", Some((850, 1000))),
            ("100", "1000", "0.0 0.1 0.2 3/150 77", Some((-50, 100))),
            ("100", "1000", "garbage", None),
        ] {
            fs::write(kernel.join("pid_max"), pid_max).expect("write");
            fs::write(kernel.join("threads-max"), threads_max).expect("write");
            fs::write(dir.path().join("loadavg"), loadavg).expect("write");
            let pids = NodePids::open(dir.path()).expect("open");
            let seen = pids.available(MonoTime::default()).map(|o| (o.available, o.capacity));
            assert_eq!(seen, expected, "{loadavg}");
        }
    }

    #[test]
    fn the_tighter_limit_counts() {
        let o = |available: u64| Some(left_of(1000, 1000 - available, MonoTime::default()));
        for (a, b, expected) in [
            (o(5), o(3), o(3)),
            (o(3), o(5), o(3)),
            (o(3), None, o(3)),
            (None, o(5), o(5)),
            (None, None, None),
        ] {
            assert_eq!(tighter(a, b), expected);
        }
    }
}
