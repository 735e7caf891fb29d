//! What each kernel program costs, and what all of them cost those who are watched.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use aya::{Ebpf, sys::Stats};
use evictd::probe::{Attachment, Counters, Family, Hook, LADDER, LoadOptions, Rung, load};
use evictd_common::{LogDirectory, kernel_dev};
use evictd_tests::{container::tool, node::Node};
use rustix::fs::{major, minor};

/// A file is begun anew after this much, so that the filesystem does not fill.
const FILE_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds with the probes on, and as many with them off, in turns
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Writes, and a hundredth as many forks, of each round
    #[arg(long, default_value_t = 100_000)]
    count: u64,
}

/// A program that does nearly nothing where the others run: what the kernel's own measuring costs.
const FLOOR: &[(Family, &[Rung])] = &[(
    Family::Reclaim,
    &[Rung {
        name: "floor",
        hook: Hook::RawTracepoint,
        attachments: &[Attachment::need("memcg_reclaim_raw", "ext4_da_write_end")],
        offsets: &[],
        fs_offsets: &[],
    }],
)];

struct Bench {
    node: Node,
    dev: u32,
    log_dir: std::path::PathBuf,
    count: u64,
}

/// One kind of work.
#[derive(Clone, Copy)]
enum Work {
    Append(usize),
    Log(usize),
    Fork,
}

const WORKS: [(&str, Work); 5] = [
    ("append 4096", Work::Append(4096)),
    ("append 1 MiB", Work::Append(1 << 20)),
    ("append 100", Work::Append(100)),
    ("log line 100", Work::Log(100)),
    ("fork and exit", Work::Fork),
];

pub(crate) fn run(options: &Options) -> Result<bool> {
    let node = Node::create()?;
    let dev = node.nodefs_root().metadata()?.dev();
    let log_dir = node.pod_logs_dir().join("ns_pod_uid/container");
    std::fs::create_dir_all(&log_dir)?;
    let dev = kernel_dev(major(dev), minor(dev));
    let bench = Bench { node, dev, log_dir, count: options.count };
    bench.costs("floor", FLOOR)?;
    bench.costs("all probes", LADDER)?;
    bench.ratios(options.rounds)?;
    Ok(true)
}

impl Bench {
    fn load(&self, ladder: &[(Family, &[Rung])]) -> Result<(Ebpf, Counters)> {
        let (mut ebpf, standings) = load(LoadOptions { ladder, ..LoadOptions::default() })?;
        for standing in standings {
            ensure!(
                standing.rung.is_some() || standing.family == Family::MemoryEvents,
                "{standing}"
            );
        }
        let mut counters = Counters::take(&mut ebpf)?;
        counters.watch(self.dev, 1)?;
        let inode = self.log_dir.metadata()?.ino();
        counters.watch_log_directory(LogDirectory { inode, dev: self.dev, reserved: 0 })?;
        Ok((ebpf, counters))
    }

    /// Run count and average run time of each program, per kind of work.
    fn costs(&self, what: &str, ladder: &[(Family, &[Rung])]) -> Result<()> {
        for (name, work) in WORKS {
            let _stats = aya::sys::enable_stats(Stats::RunTime).context("BPF statistics")?;
            let (ebpf, _counters) = self.load(ladder)?;
            self.work(work, self.count)?;
            for (program, loaded) in ebpf.programs() {
                let Ok(info) = loaded.info() else { continue };
                if info.run_count() > self.count / 1000 {
                    let (ns, runs) = (info.run_time().as_nanos(), u128::from(info.run_count()));
                    println!(
                        "{what:<12} {name:<14} {program:<24} {runs:>9} runs {:>5} ns",
                        ns / runs
                    );
                }
            }
        }
        Ok(())
    }

    /// Work per second with the probes, divided by that without them.
    fn ratios(&self, rounds: u32) -> Result<()> {
        for (name, work) in WORKS {
            let mut ratios = Vec::new();
            for _ in 0..rounds {
                let off = self.work(work, self.count)?;
                let probes = self.load(LADDER)?;
                let on = self.work(work, self.count)?;
                drop(probes);
                ratios.push(off / on);
            }
            ratios.sort_by(f64::total_cmp);
            let (least, most) = (ratios.first(), ratios.last());
            let median = ratios.get(ratios.len() / 2);
            if let (Some(least), Some(median), Some(most)) = (least, median, most) {
                println!("{name:<14} with probes / without: {median:.3} ({least:.3} to {most:.3})");
            }
        }
        Ok(())
    }

    /// Seconds for `count` times the work.
    fn work(&self, work: Work, count: u64) -> Result<f64> {
        match work {
            Work::Append(bytes) => {
                let path = self.node.nodefs_root().join("bench");
                append(&path, bytes, (count * 4096 / bytes as u64).clamp(count / 100, count))
            }
            Work::Log(bytes) => append(&self.log_dir.join("0.log"), bytes, count),
            Work::Fork => {
                let begin = Instant::now();
                let mut forks = Command::new(tool("evictd-workload")?);
                forks.args(["fork-exactly", "--count", &(count / 100).to_string()]);
                ensure!(forks.status()?.success(), "fork-exactly failed");
                Ok(begin.elapsed().as_secs_f64())
            }
        }
    }
}

fn append(path: &Path, bytes: usize, count: u64) -> Result<f64> {
    let block = vec![b'x'; bytes];
    let begin = |path: &Path| -> Result<File> {
        Ok(OpenOptions::new().create(true).write(true).truncate(true).open(path)?)
    };
    let mut file = begin(path)?;
    let start = Instant::now();
    let mut written = 0;
    for _ in 0..count {
        file.write_all(&block)?;
        written += bytes as u64;
        if written >= FILE_BYTES {
            file = begin(path)?;
            written = 0;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(path)?;
    Ok(seconds)
}
