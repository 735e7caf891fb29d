//! `evictd run`: the daemon.

mod args;
mod daemon;
mod disk_usage;
mod evictions;
mod harden;
mod inbox;
mod kernel;
mod observe;
mod record;
mod reload;
mod reporter;
mod schedule;
mod tally;
mod watch;

use std::{io, process::ExitCode};

use evictd_core::{Evaluator, Policy};
use tracing::warn;

pub use args::Args;

use crate::{
    clock,
    config::Watch,
    exit,
    log::start_log,
    node::Node,
    privilege,
    probe::{LADDER, LoadOptions},
};
use daemon::Daemon;
use evictions::Evictions;
use kernel::Kernel;
use observe::Observer;
use reload::Configuration;
use reporter::Reporter;

/// Runs the daemon until it is told to stop.
pub fn main(args: &Args) -> ExitCode {
    start_log(args.verbose_probes);
    let read = Configuration::read(Watch::new(args.node.clone()), args.mode);
    exit::code(read.and_then(|configuration| run(configuration, args)))
}

fn run(configuration: Configuration, args: &Args) -> anyhow::Result<()> {
    let config = configuration.in_force();
    privilege::check(config.mode)?;
    harden::harden();
    let Node { mounts, sampler, index } = Node::open(config)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let load = LoadOptions {
            btf: &args.btf,
            ring_bytes: args.ring_bytes,
            log: args.verbose_probes,
            ladder: LADDER,
        };
        let kernel = Kernel::open(load, args.probe_stats, &sampler)
            .map_err(|error| warn!("no probes, only the clock: {error}"))
            .ok();
        let config = configuration.in_force();
        let policy = Policy { layout: sampler.fs_layout(), ..config.policy.clone() };
        let daemon = Daemon {
            observer: Observer::new(sampler, index),
            evaluator: Evaluator::new(policy, clock::now()),
            evictions: Evictions::new(config.mode),
            configuration,
            kernel,
            reporter: Reporter::new(io::stdout()),
            cgroup: mounts.kind.name(),
        };
        daemon.run().await.map_err(anyhow::Error::from)
    })
}
