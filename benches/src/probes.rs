//! What each kernel program costs, and what all of them cost those who are watched, beside other tools
//! that attribute writes.

mod cost;
mod floor;
mod observer;
mod ratio;
mod work;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use evictd::probe::{Counters, Family, LoadOptions, load};
use evictd_common::{LogDirectory, kernel_dev};
use evictd_tests::node::Node;
use rustix::fs::{major, minor};
use serde::Serialize;

use cost::Costs;
use observer::{TOOLS, Tool};
use ratio::Ratios;
use work::{Place, WORKS};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds, each with the probes on and off and with every other tool, in turns
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Writes, and a hundredth as many forks, of each kind of work
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..))]
    count: u32,
    /// Also write the figures as JSON to this file
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Everything measured, as written to the JSON file.
#[derive(Debug, Serialize)]
struct Figures {
    evictd: &'static str,
    kernel: String,
    rounds: u32,
    count: u32,
    /// By kind of work, with statistics.
    programs: BTreeMap<&'static str, Costs>,
    /// Without statistics.
    #[serde(flatten)]
    ratios: Ratios,
    /// Tools that do not run on this machine, and why.
    refused: BTreeMap<&'static str, String>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let node = Node::create()?;
    let log_dir = node.pod_logs_dir().join("ns_pod_uid/container");
    fs::create_dir_all(&log_dir)?;
    let place = Place { root: node.nodefs_root().to_owned(), log_dir };
    let probes = Probes::of(&place)?;
    let mut refused = BTreeMap::new();
    let mut tools: Vec<&Tool> = Vec::new();
    for tool in &TOOLS {
        match tool.start() {
            Ok(_) => tools.push(tool),
            Err(error) => {
                refused.insert(tool.name, format!("{error:#}"));
            }
        }
    }
    let figures = Figures {
        evictd: env!("CARGO_PKG_VERSION"),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        rounds: options.rounds,
        count: options.count,
        programs: cost::measure(&place, &probes, options.count)?,
        ratios: ratio::measure(&place, &probes, &tools, options.rounds, options.count)?,
        refused,
    };
    print!("{}", figures.table());
    if let Some(path) = &options.output {
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(true)
}

/// evictd's probes as a running evictd has them.
struct Probes {
    dev: u32,
    log_directory: LogDirectory,
}

/// Detached when dropped.
struct Loaded {
    ebpf: Ebpf,
    _counters: Counters,
}

impl Probes {
    fn of(place: &Place) -> Result<Self> {
        let dev = dev_of(&place.root)?;
        let inode = place.log_dir.metadata()?.ino();
        Ok(Self { dev, log_directory: LogDirectory { inode, dev, reserved: 0 } })
    }

    fn load(&self) -> Result<Loaded> {
        let (mut ebpf, standings) = load(LoadOptions::default())?;
        for standing in standings {
            // The families that the work is about.
            let is_measured =
                matches!(standing.family, Family::Writes | Family::Tasks | Family::Space);
            ensure!(standing.rung.is_some() || !is_measured, "{standing}");
        }
        let mut counters = Counters::take(&mut ebpf)?;
        counters.watch(self.dev, 1)?;
        counters.watch_log_directory(self.log_directory)?;
        Ok(Loaded { ebpf, _counters: counters })
    }
}

fn dev_of(path: &Path) -> Result<u32> {
    let dev = path.metadata()?.dev();
    Ok(kernel_dev(major(dev), minor(dev)))
}

impl Figures {
    fn table(&self) -> String {
        let mut text = format!("evictd {} on Linux {}\n\n", self.evictd, self.kernel);
        self.programs_table(&mut text);
        self.ratios_table(&mut text);
        for (name, reason) in &self.refused {
            let _ = writeln!(text, "{name} does not run here: {reason}");
        }
        text
    }

    fn programs_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{:<16} {:<26} {:>9} {:>8} {:>8}",
            "work", "program", "runs", "ns/run", "less empty"
        );
        for work in WORKS {
            let Some(Costs { empty, programs }) = self.programs.get(work.name) else { continue };
            let name = work.name;
            let _ =
                writeln!(text, "{name:<16} {:<26} {:>9} {:>8.0}", "(empty)", empty.runs, empty.ns);
            for (program, cost) in programs {
                let net = (cost.ns - empty.ns).max(0.0);
                let _ = writeln!(
                    text,
                    "{name:<16} {program:<26} {:>9} {:>8.0} {net:>8.0}",
                    cost.runs, cost.ns
                );
            }
        }
    }

    fn ratios_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nthroughput with ÷ without, {} rounds, no statistics\n{:<16} {:<27} {:>6} {:>6} {:>6} {:>14}",
            self.rounds, "work", "observer", "min", "median", "max", "by CPU, median"
        );
        for work in WORKS {
            let name = work.name;
            if let Some(alone) = self.ratios.alone_ns.get(name) {
                let _ = writeln!(text, "{name:<16} nobody: {:.0} ns", alone.median);
            }
            for (observer, works) in &self.ratios.observers {
                let Some(ratio) = works.get(name) else { continue };
                let wall = ratio.throughput;
                let _ = writeln!(
                    text,
                    "{name:<16} {observer:<27} {:>6.3} {:>6.3} {:>6.3} {:>14.3}",
                    wall.min, wall.median, wall.max, ratio.cpu.median
                );
            }
        }
    }
}
