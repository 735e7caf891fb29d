//! `bench`: measurements on this machine.

mod evaluator;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::build::{self, EVICTD};
use crate::demo::require_root;
use crate::process;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;

const HARNESS: &str = "evictd-bench";

/// Measures evictd.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Repeats the incidents: time from threshold to decision and kill, cost of each probe
    Reaction {
        /// Incidents of each kind
        #[arg(long, default_value_t = 20)]
        trials: u32,
        /// Also write the figures as JSON to this file
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Cost of a run of each kernel program, and of all of them to those who are watched, beside other tools
    Probes {
        /// Rounds, each with the probes on and off and with every other tool, in turns
        #[arg(long, default_value_t = 7)]
        rounds: u32,
        /// Also write the figures as JSON to this file
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Makes and removes containers: time until each is known, stale keys, lost counts
    Churn {
        /// For so long
        #[arg(long, default_value_t = 5)]
        minutes: u32,
        /// Containers made and removed a minute
        #[arg(long, default_value_t = 500)]
        per_minute: u32,
        /// Also write the figures as JSON to this file
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Lets containers write their logs too fast: time until each is named, precision, recall
    Writers {
        /// Runaway writers
        #[arg(long, default_value_t = 40)]
        trials: u32,
        /// Also write the figures as JSON to this file
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Steps of the evaluator at 10 to 1000 pods, beside what the kubelet's take; needs no root
    Evaluator,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Reaction { trials, output } => trial("reaction", *trials, output.as_deref()),
        What::Writers { trials, output } => trial("writers", *trials, output.as_deref()),
        What::Churn { minutes, per_minute, output } => {
            let rate = [("--minutes", *minutes), ("--per-minute", *per_minute)];
            harness("churn", &rate, output.as_deref())
        }
        What::Probes { rounds, output } => probes(*rounds, output.as_deref()),
        What::Evaluator => evaluator::run(),
    }
}

fn trial(what: &str, trials: u32, output: Option<&Path>) -> Result<ExitCode> {
    harness(what, &[("--trials", trials)], output)
}

/// Runs one measurement of the harness.
fn harness(what: &str, numbers: &[(&str, u32)], output: Option<&Path>) -> Result<ExitCode> {
    require_root("bench")?;
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build])?;
    let programs = build::benches(&workspace)?;
    let mut harness = Command::new(build::program(&programs, HARNESS)?);
    harness.arg(what).arg("--evictd").arg(build::program(&programs, EVICTD)?);
    for (name, number) in numbers {
        harness.arg(name).arg(number.to_string());
    }
    if let Some(output) = output {
        harness.arg("-o").arg(output);
    }
    process::exec(&mut harness)
}

/// The tools that evictd is measured beside are nobody's need: what cannot be installed is left out.
fn probes(rounds: u32, output: Option<&Path>) -> Result<ExitCode> {
    require_root("bench")?;
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build])?;
    if let Err(error) = setup::ensure(&workspace.pins, &[Purpose::Peers]) {
        eprintln!("measured without some of the other tools: {error:#}");
    }
    let programs = build::benches(&workspace)?;
    let mut harness = Command::new(build::program(&programs, HARNESS)?);
    harness.args(["probes", "--rounds", &rounds.to_string()]);
    if let Some(output) = output {
        harness.arg("-o").arg(output);
    }
    process::exec(&mut harness)
}
