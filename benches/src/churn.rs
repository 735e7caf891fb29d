//! Containers that come and go at a steady rate: how soon each is known, and what is left of them.

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use evictd_tests::{
    churn::{Churn, Left, ShortPod, Totals},
    evictd::{self, Ended, Evictd},
    inbox::Inbox,
    node::Node,
    record::DecisionTime,
};
use serde::Serialize;

/// How long a container is there.
const LIFE: Duration = Duration::from_secs(2);
/// How long evictd may take to settle when all are gone.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// For so long
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Containers made and removed a minute
    #[arg(long, default_value_t = 500)]
    per_minute: u64,
    /// evictd to measure; by default the one beside this program
    #[arg(long)]
    evictd: Option<PathBuf>,
    /// Also write the figures as JSON to this file
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Everything measured, as written to the JSON file.
#[derive(Debug, Serialize)]
struct Figures {
    evictd: String,
    kernel: String,
    minutes: f64,
    per_minute: f64,
    totals: Totals,
    left: Left,
    /// From the kernel's record of mkdir to the container's being known. Pods and containers each count.
    known_ns: DecisionTime,
    /// Resident memory of evictd, KiB.
    resident_before_kib: Option<u64>,
    resident_after_kib: Option<u64>,
    /// Records and keys that the probes could not store, all families.
    drops: u64,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let node = Node::create()?;
    let mut inbox = Inbox::default();
    inbox.catch_signals()?;
    let binary = options.evictd.clone().map_or_else(evictd::binary, Ok)?;
    let cgroup = node.system().child("evictd")?;
    let options_of_evictd = evictd::Options::new(&binary, "observe");
    let evictd = Evictd::start(&node, &cgroup, &mut inbox, &options_of_evictd)?;
    let started = evictd.started().clone();
    let resident_before_kib = resident_kib(evictd.pid());
    let mut churn = Churn::new(&node, evictd.pid())?;
    let begin = Instant::now();
    come_and_go(&mut churn, options, begin)?;
    let took = begin.elapsed().as_secs_f64() / 60.0;
    let left = churn.settle(PATIENCE)?;
    let (totals, resident_after_kib) = (churn.totals(), resident_kib(evictd.pid()));
    let Ended { status, stopped, .. } = evictd.stop(&mut inbox)?;
    let figures = Figures {
        evictd: started.version,
        kernel: started.kernel,
        minutes: took,
        per_minute: totals.containers as f64 / took,
        totals,
        left,
        known_ns: stopped.known_ns,
        resident_before_kib,
        resident_after_kib,
        drops: stopped.drops.values().sum(),
    };
    print!("{}", figures.table());
    if let Some(path) = &options.output {
        let json = serde_json::to_string_pretty(&figures)?;
        fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(status.success() && left.is_clean() && totals.missed_forks == 0)
}

/// Starts pods at an even pace and removes each when its life is over.
fn come_and_go(churn: &mut Churn<'_>, options: &Options, begin: Instant) -> Result<()> {
    let all = options.minutes * options.per_minute;
    let gap = Duration::from_secs(60).div_f64(options.per_minute.max(1) as f64);
    let mut there: VecDeque<(Instant, ShortPod)> = VecDeque::new();
    for number in 0..all {
        let due = begin + gap.mul_f64(number as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        there.push_back((Instant::now() + LIFE, churn.start()?));
        while there.front().is_some_and(|(end, _)| *end <= Instant::now()) {
            if let Some((_, pod)) = there.pop_front() {
                churn.finish(pod)?;
            }
        }
        if (number + 1) % options.per_minute == 0 {
            let seconds = begin.elapsed().as_secs_f64();
            eprintln!("{}/{all} containers after {seconds:.0} s", number + 1);
        }
    }
    there.into_iter().try_for_each(|(_, pod)| churn.finish(pod))
}

impl Figures {
    fn table(&self) -> String {
        let Self { totals, left, known_ns: known, .. } = self;
        let ms = |ns: u64| format!("{:.3}", ns as f64 / 1e6);
        let kib = |kib: Option<u64>| kib.map_or_else(|| "?".to_owned(), |kib| kib.to_string());
        let rows = [
            ("containers made and removed", totals.containers.to_string()),
            ("a minute", format!("{:.0}", self.per_minute)),
            ("mkdir to known, ms, p50", ms(known.p50)),
            ("mkdir to known, ms, p90", ms(known.p90)),
            ("mkdir to known, ms, p99", ms(known.p99)),
            ("mkdir to known, ms, max", ms(known.max)),
            ("cgroups known", known.count.to_string()),
            ("stale keys of cgroups", left.stale_keys.to_string()),
            ("stale keys of log directories", left.stale_logs.to_string()),
            ("files that evictd holds more", left.files.to_string()),
            ("bytes written", totals.bytes.to_string()),
            ("bytes lost", left.lost_bytes.to_string()),
            ("forks", totals.forks.to_string()),
            ("forks lost, while there", totals.missed_forks.to_string()),
            ("forks lost, when gone", left.lost_forks.to_string()),
            ("evictd resident before, KiB", kib(self.resident_before_kib)),
            ("evictd resident after, KiB", kib(self.resident_after_kib)),
            ("drops", self.drops.to_string()),
        ];
        let title = format!("evictd {} on Linux {}\n", self.evictd, self.kernel);
        let lines = rows.iter().map(|(name, value)| format!("{name:<32} {value:>12}\n"));
        std::iter::once(title).chain(lines).collect()
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
