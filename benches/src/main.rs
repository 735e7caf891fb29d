//! `evictd-bench`: measures evictd on this machine's real kernel.

mod churn;
mod figures;
mod probes;
mod reaction;
mod writers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use evictd_tests::inbox::WaitError;

/// Measures evictd on this machine's real kernel.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// From a threshold crossed to the kill, over many incidents; and what each probe costs
    Reaction(reaction::Options),
    /// Cost of a run of each kernel program, and of all of them to those who are watched
    Probes(probes::Options),
    /// Containers that come and go: how soon each is known, what is left of them, what was lost
    Churn(churn::Options),
    /// From a log writer's start to its name, among innocent writers; precision and recall
    Writers(writers::Options),
}

fn main() -> ExitCode {
    let measured = match Cli::parse().what {
        What::Reaction(options) => reaction::run(&options),
        What::Probes(options) => probes::run(&options),
        What::Churn(options) => churn::run(&options),
        What::Writers(options) => writers::run(&options),
    };
    match measured {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("evictd-bench: {e:#}");
            let interrupted = |e: &(dyn std::error::Error + 'static)| {
                matches!(e.downcast_ref(), Some(WaitError::Interrupted))
            };
            ExitCode::from(if e.chain().any(interrupted) { 130 } else { 1 })
        }
    }
}
