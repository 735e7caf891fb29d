//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{config::Mode, run};

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
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Configuration, YAML; the kubelet's own field names for everything the kubelet has.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Standalone: a directory of ordinary Pod manifests. Wins over `pods` of the configuration.
    #[arg(long, value_name = "DIR")]
    pods: Option<PathBuf>,

    /// Whether to act. Wins over `mode` of the configuration; observe if neither says.
    #[arg(long)]
    mode: Option<ModeArg>,

    /// Let the kernel programs log what they see (aya-log), to stderr at debug level.
    #[arg(long)]
    verbose_probes: bool,

    /// Let the kernel measure each program's run time; `stopped` reports it. Costs about 100 ns a
    /// run.
    #[arg(long)]
    probe_stats: bool,

    /// The kernel's BTF, for kernels that keep it elsewhere.
    #[arg(long, value_name = "FILE", default_value = crate::probe::KERNEL_BTF)]
    btf: PathBuf,

    /// Size of the ring buffer; a power of two, at least a page.
    #[arg(long, value_name = "BYTES", hide = true)]
    ring_bytes: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    /// Decide and report, touch nothing.
    Observe,
    /// Evict.
    Enforce,
}

/// Parses the command line, runs the command and gives the exit code.
pub fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    run::main(&run::Options {
        config: args.config,
        pods: args.pods,
        mode: args.mode.map(|mode| match mode {
            ModeArg::Observe => Mode::Observe,
            ModeArg::Enforce => Mode::Enforce,
        }),
        verbose_probes: args.verbose_probes,
        probe_stats: args.probe_stats,
        btf: args.btf,
        ring_bytes: args.ring_bytes,
    })
}
