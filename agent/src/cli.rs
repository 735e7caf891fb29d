//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{check, doctor, rank, record, replay, run, top};

/// Watches one node from inside the kernel and evicts pods before the node dies.
///
/// evictd speaks the kubelet's language (signals, thresholds, grace periods, minimum reclaim,
/// ranking), reacts in milliseconds, and knows which container is writing what.
#[derive(Debug, Parser)]
#[command(
    name = "evictd",
    version,
    after_help = "\
Exit codes: 0 ended as asked, 1 cannot run here (what is missing is named), 2 bad input.

Try it on any machine, nothing is touched in observe mode:
  evictd run --config evictd.yaml --pods ./pods --mode observe"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon: probes, evaluator, evictions. Records go to stdout, one JSON object a line; logs
    /// to stderr.
    Run(Box<run::Args>),
    /// Who would be evicted for a signal, in which order, and why.
    Rank(rank::Args),
    /// The daemon in observe mode, with everything it sees written to a trace.
    Record(record::Args),
    /// A trace again, under its own policy or another one.
    Replay(replay::Args),

    /// A configuration, or a kubelet's: what is in force on this node, in its own numbers, and what
    /// silently is not. File and node are read once, nothing is changed. Exit code 2 for a file that
    /// cannot be used, with `--strict` 1 if there is a warning.
    Check(check::Args),

    /// What this machine offers evictd: kernel, cgroups, capabilities, the rung of each probe family,
    /// what is degraded and why. Loads the probes for a moment and detaches them.
    Doctor(doctor::Args),

    /// Who writes, forks and grows on this node, and how near its thresholds are: a live table, text or
    /// JSON. Asks a running evictd, or loads the probes itself.
    Top(top::Args),
}

/// Parses the command line, runs the command and gives the exit code.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::main(&args),
        Command::Rank(args) => rank::main(&args),
        Command::Record(args) => record::main(&args),
        Command::Replay(args) => replay::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Top(args) => top::main(&args),
    }
}
