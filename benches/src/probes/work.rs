//! The kinds of work that the probes are measured with.

use std::{
    fs::{File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use evictd_tests::container::tool;
use rustix::time::{ClockId, clock_gettime};

/// A file is begun anew after this much, so that the filesystem does not fill.
const FILE_BYTES: u64 = 64 << 20;

/// One kind of work.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) name: &'static str,
    /// Which of the kernel's tracepoints it meets most.
    pub(super) tracepoint: &'static str,
    does: Does,
}

#[derive(Clone, Copy)]
enum Does {
    /// Writes at the end of a file.
    Grow(usize),
    /// Writes over what a file holds.
    Overwrite(usize),
    /// Writes at the end of a container's log.
    Log(usize),
    Fork,
}

const fn write(name: &'static str, does: Does) -> Work {
    Work { name, tracepoint: "ext4_da_write_end", does }
}

pub(super) const WORKS: [Work; 8] = [
    write("overwrite 100 B", Does::Overwrite(100)),
    write("overwrite 4 KiB", Does::Overwrite(4096)),
    write("overwrite 1 MiB", Does::Overwrite(1 << 20)),
    write("grow 100 B", Does::Grow(100)),
    write("grow 4 KiB", Does::Grow(4096)),
    write("grow 1 MiB", Does::Grow(1 << 20)),
    write("log line 100 B", Does::Log(100)),
    Work { name: "fork and exit", tracepoint: "sched_process_fork", does: Does::Fork },
];

/// Where it is done.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) log_dir: PathBuf,
}

/// What it took.
#[derive(Clone, Copy)]
pub(super) struct Took {
    /// Per piece of work.
    pub(super) wall: Duration,
    /// Processor time of those who did it. Others on the machine do not show in it as much.
    pub(super) cpu: Duration,
}

impl Work {
    /// Does it `count` times; large writes and forks less often.
    pub(super) fn run(&self, place: &Place, count: u32) -> Result<Took> {
        let file = place.root.join("bench");
        let times = |bytes: usize| {
            let as_long = u64::from(count) * 4096 / bytes as u64;
            u32::try_from(as_long).unwrap_or(count).clamp(count / 100, count).max(1)
        };
        match self.does {
            Does::Grow(bytes) => grow(&file, bytes, times(bytes)),
            Does::Overwrite(bytes) => overwrite(&file, bytes, times(bytes)),
            Does::Log(bytes) => grow(&place.log_dir.join("0.log"), bytes, times(bytes)),
            Does::Fork => fork((count / 100).max(1)),
        }
    }
}

fn grow(path: &Path, bytes: usize, count: u32) -> Result<Took> {
    let block = vec![b'x'; bytes];
    let begin = || -> Result<File> {
        Ok(OpenOptions::new().create(true).write(true).truncate(true).open(path)?)
    };
    let mut file = begin()?;
    let mut written = 0;
    let took = timed(count, ClockId::ThreadCPUTime, || {
        for _ in 0..count {
            file.write_all(&block)?;
            written += bytes as u64;
            if written >= FILE_BYTES {
                file = begin()?;
                written = 0;
            }
        }
        Ok(())
    })?;
    std::fs::remove_file(path)?;
    Ok(took)
}

fn overwrite(path: &Path, bytes: usize, count: u32) -> Result<Took> {
    let block = vec![b'x'; bytes];
    let mut file = File::create(path)?;
    let writes = u32::try_from((4 << 20) / bytes)?;
    for _ in 0..writes {
        file.write_all(&block)?;
    }
    let took = timed(count, ClockId::ThreadCPUTime, || {
        for number in 0..count {
            if number % writes == 0 {
                file.seek(SeekFrom::Start(0))?;
            }
            file.write_all(&block)?;
        }
        Ok(())
    })?;
    std::fs::remove_file(path)?;
    Ok(took)
}

fn fork(count: u32) -> Result<Took> {
    let mut forks = Command::new(tool("evictd-workload")?);
    forks.args(["fork-exactly", "--count", &count.to_string()]);
    let before = cpu_of_children()?;
    let begin = Instant::now();
    ensure!(forks.status()?.success(), "fork-exactly failed");
    let wall = begin.elapsed();
    Ok(Took { wall: wall / count, cpu: cpu_of_children()?.saturating_sub(before) / count })
}

fn timed(count: u32, cpu: ClockId, work: impl FnOnce() -> Result<()>) -> Result<Took> {
    let now = || Duration::try_from(clock_gettime(cpu)).context("a clock before its time");
    let (begin, cpu) = (Instant::now(), now()?);
    work()?;
    Ok(Took { wall: begin.elapsed() / count, cpu: now()?.saturating_sub(cpu) / count })
}

/// Of the children that have been waited for, and theirs.
fn cpu_of_children() -> Result<Duration> {
    // SAFETY: a plain system call that fills a struct of integers.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        ensure!(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) == 0, "getrusage");
        usage
    };
    let time = |time: libc::timeval| {
        Ok::<_, std::num::TryFromIntError>(
            Duration::from_secs(time.tv_sec.try_into()?)
                + Duration::from_micros(time.tv_usec.try_into()?),
        )
    };
    Ok(time(usage.ru_utime)? + time(usage.ru_stime)?)
}
