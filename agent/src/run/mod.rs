//! `evictd run`: the daemon.

mod args;
mod daemon;
mod disk_usage;
mod evictions;
mod harden;
mod inbox;
mod kernel;
mod log_file;
mod log_writers;
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
    probe::{FsKind, LoadOptions, map_sizes, with_forced},
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
        let roots = [Some(sampler.nodefs()), sampler.imagefs()];
        let filesystems: Vec<FsKind> =
            roots.into_iter().flatten().filter_map(|fs| FsKind::at(fs.path())).collect();
        let load = LoadOptions {
            btf: &args.btf,
            ring_bytes: args.ring_bytes,
            log: args.verbose_probes,
            ladder: &with_forced(&args.probe_rung),
            map_sizes: &map_sizes(u32::try_from(index.len()).unwrap_or(u32::MAX)),
            filesystems: &filesystems,
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
