//! `evictd rank`: who would be evicted, in which order, and why.

mod observed;
mod place;
mod show;

use std::{path::PathBuf, process::ExitCode};

use evictd_core::Signal;

use crate::{answer::Paint, exit, log::start_log, trace::OtherPolicy};
pub use place::Place;
use show::Answer;

/// Ranks the pods for a signal as the evaluator would, whatever the signal's state: comparator by
/// comparator, with the numbers of each pod and of the next.
///
/// Without `--from` this node is read once, disks by walking them. What is not known is said to be
/// unknown. Evictions under way are known to the running daemon alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signal, such as memory.available.
    #[arg(long, value_parser = signal)]
    pub signal: Signal,

    /// Rank the last pods of a trace (`evictd record`) instead of this node's.
    #[arg(long, value_name = "TRACE")]
    pub from: Option<PathBuf>,

    /// With `--from`: the pods as they were so many seconds after the start.
    #[arg(long, value_name = "SECONDS", requires = "from", value_parser = seconds)]
    pub at: Option<f64>,

    /// The configuration; with `--from` the recorded policy is in force without it.
    #[command(flatten)]
    pub policy: OtherPolicy,

    /// Standalone: a directory of ordinary Pod manifests. Wins over `pods` of the configuration.
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    pub pods: Option<PathBuf>,

    /// The first so many places alone.
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,

    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Reads, ranks, and tells.
pub fn main(args: &Args) -> ExitCode {
    start_log(false);
    let observed = match &args.from {
        Some(trace) => observed::in_a_trace(trace, args),
        None => observed::now(args),
    };
    let answer = match observed {
        Ok(observed) => Answer::of(args.signal, &observed),
        Err(error) => return exit::code(Err(error)),
    };
    if args.json {
        println!("{}", answer.json(args.top));
    } else {
        print!("{}", answer.text(args.top, Paint::detect()));
    }
    ExitCode::SUCCESS
}

fn signal(text: &str) -> Result<Signal, String> {
    Signal::from_name(text).ok_or_else(|| {
        format!("unknown signal; allowed: {}", Signal::ALL.map(Signal::name).join(", "))
    })
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|s: &f64| s.is_finite() && *s >= 0.0);
    seconds.ok_or_else(|| "allowed: seconds, from 0 on".to_owned())
}
