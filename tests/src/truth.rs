//! The truth, independent of evictd: when a signal was first past its threshold, and how far it went.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::fs::{Mode, OFlags, fstatvfs, open};

use crate::{cgroup::Cgroup, clock::mono_ns};

/// Time between two looks.
const POLL: Duration = Duration::from_micros(200);

/// One signal, read directly.
#[derive(Debug)]
pub enum Gauge {
    /// Free bytes of a filesystem.
    Disk(OwnedFd),
    /// Limit of a cgroup minus its working set, bytes.
    Memory {
        /// The limit.
        limit: i64,
        /// `memory.current` or `memory.usage_in_bytes`.
        usage: File,
        /// `memory.stat`.
        stat: File,
        /// The line of `memory.stat` that is not working set.
        inactive: &'static str,
    },
    /// Limit of a cgroup minus its tasks.
    Tasks {
        /// The limit.
        limit: i64,
        /// `pids.current`.
        current: File,
    },
}

impl Gauge {
    /// Free bytes of the filesystem at `root`.
    pub fn disk(root: &Path) -> Result<Self> {
        let dir = open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Ok(Self::Disk(dir.with_context(|| root.display().to_string())?))
    }

    /// Memory left under the limit of `cgroup`.
    pub fn memory(cgroup: &Cgroup, limit: u64) -> Result<Self> {
        let (usage, v1) = cgroup.file("memory", "memory.usage_in_bytes", "memory.current");
        let stat = usage.with_file_name("memory.stat");
        let inactive = if v1 { "total_inactive_file " } else { "inactive_file " };
        let open = |path: &Path| File::open(path).with_context(|| path.display().to_string());
        Ok(Self::Memory {
            limit: i64::try_from(limit)?,
            usage: open(&usage)?,
            stat: open(&stat)?,
            inactive,
        })
    }

    /// Tasks left under the limit of `cgroup`.
    pub fn tasks(cgroup: &Cgroup, limit: u64) -> Result<Self> {
        let (path, _) = cgroup.file("pids", "pids.current", "pids.current");
        let current = File::open(&path).with_context(|| path.display().to_string())?;
        Ok(Self::Tasks { limit: i64::try_from(limit)?, current })
    }

    /// What is left now; `None` if it cannot be read.
    pub fn available(&self) -> Option<i64> {
        match self {
            Self::Disk(dir) => {
                let fs = fstatvfs(dir).ok()?;
                i64::try_from(fs.f_bavail * fs.f_frsize).ok()
            }
            Self::Memory { limit, usage, stat, inactive } => {
                let used = number(usage, "")?;
                let inactive = number(stat, inactive)?;
                Some(limit - (used - inactive).max(0))
            }
            Self::Tasks { limit, current } => Some(limit - number(current, "")?),
        }
    }
}

/// The number after `key` at the start of a line.
fn number(file: &File, key: &str) -> Option<i64> {
    let mut buffer = [0_u8; 8192];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let text = std::str::from_utf8(buffer.get(..length)?).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

/// Watches one signal until it is stopped (or for as long as it was told at most).
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    threshold: i64,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    /// 0 until it has crossed.
    crossed_ns: AtomicU64,
    worst: AtomicI64,
}

impl Watch {
    /// Starts to look at `gauge` every [`POLL`], for `at_most`.
    pub fn start(gauge: Gauge, threshold: i64, at_most: Duration) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            crossed_ns: AtomicU64::new(0),
            worst: AtomicI64::new(i64::MAX),
        });
        let seen = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            run_first();
            let end =
                mono_ns().saturating_add(u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX));
            while !seen.stop.load(Ordering::Relaxed) && mono_ns() < end {
                if let Some(available) = gauge.available() {
                    if available < threshold && seen.crossed_ns.load(Ordering::Relaxed) == 0 {
                        seen.crossed_ns.store(mono_ns(), Ordering::Release);
                    }
                    seen.worst.fetch_min(available, Ordering::Relaxed);
                }
                thread::sleep(POLL);
            }
        });
        Self { shared, thread: Some(thread), threshold }
    }

    /// When the signal was first seen below its threshold, up to [`POLL`] late.
    pub fn crossed_ns(&self) -> Option<u64> {
        match self.shared.crossed_ns.load(Ordering::Acquire) {
            0 => None,
            ns => Some(ns),
        }
    }

    /// The farthest the signal has been past its threshold; 0 if it never was.
    pub fn worst_past(&self) -> u64 {
        let worst = self.shared.worst.load(Ordering::Relaxed);
        u64::try_from(self.threshold.saturating_sub(worst)).unwrap_or(0)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the observer was printed already.
            let _ = thread.join();
        }
    }
}

/// Puts this thread before ordinary ones: what is measured must not delay the measurement.
fn run_first() {
    // The kernel's `struct sched_param`: the priority alone, the lowest.
    let priority: libc::c_int = 1;
    // The raw call, because musl's wrapper refuses. Without the right to it the stamps are coarser.
    // SAFETY: pid 0 is this thread; the parameter is read only.
    unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &raw const priority);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use super::*;

    fn gauge(path: &Path) -> Gauge {
        Gauge::Tasks { limit: 100, current: File::open(path).unwrap() }
    }

    #[test]
    fn a_crossing_is_stamped_and_the_worst_value_kept() {
        let path = std::env::temp_dir().join(format!("evictd-truth-{}", std::process::id()));
        fs::write(&path, "10\n").unwrap();
        let before = mono_ns();
        let watch = Watch::start(gauge(&path), 20, Duration::from_secs(10));
        for figure in ["85\n", "97\n", "30\n"] {
            fs::write(&path, figure).unwrap();
            let seen = i64::from(figure.trim().parse::<u8>().unwrap());
            let deadline = Instant::now() + Duration::from_secs(5);
            while seen > 80 && watch.worst_past() != u64::try_from(20 - (100 - seen)).unwrap() {
                assert!(Instant::now() < deadline, "{figure} was not seen");
                thread::yield_now();
            }
        }
        assert!(watch.crossed_ns().is_some_and(|ns| ns > before && ns <= mono_ns()));
        assert_eq!(watch.worst_past(), 17);
        drop(watch);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn numbers_are_found_by_their_key() {
        let path = std::env::temp_dir().join(format!("evictd-stat-{}", std::process::id()));
        fs::write(&path, "inactive_file 7\ntotal_inactive_file 42\n").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(number(&file, "total_inactive_file "), Some(42));
        assert_eq!(number(&file, "absent "), None);
        fs::remove_file(&path).unwrap();
    }
}
