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

use std::{io, path::Path, process::ExitCode, sync::Arc};

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
    sample::CgroupMounts,
    state::{self, Board, Server, Socket, SocketError, StateReader},
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
    // Before anything is loaded: a second evictd goes without a trace.
    let socket = claim(&args.socket)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let load = LoadOptions {
            btf: &args.btf,
            ring_bytes: args.ring_bytes,
            log: args.verbose_probes,
            ladder: LADDER,
        };
        let mut kernel = Kernel::open(load, args.probe_stats, &sampler)
            .inspect_err(|error| warn!("no probes, only the clock: {error}"))
            .map_err(|error| error.to_string());
        let board = match &socket {
            Some(socket) => answer(socket, &mounts, kernel.as_mut())
                .inspect_err(|error| warn!("evictd top cannot ask: {error:#}"))
                .ok(),
            None => None,
        };
        let config = configuration.in_force();
        let policy = Policy { layout: sampler.fs_layout(), ..config.policy.clone() };
        let daemon = Daemon {
            observer: Observer::new(sampler, index),
            evaluator: Evaluator::new(policy, clock::now()),
            evictions: Evictions::new(config.mode),
            configuration,
            kernel: kernel.ok(),
            board,
            reporter: Reporter::new(io::stdout()),
            cgroup: mounts.kind.name(),
        };
        daemon.run().await.map_err(anyhow::Error::from)
    })
}

/// Takes the socket. One that cannot be made costs `evictd top` its answers, nothing else; one that is
/// another evictd's is an error.
fn claim(path: &Path) -> Result<Option<Socket>, SocketError> {
    match state::claim(path) {
        Ok(socket) => Ok(Some(socket)),
        Err(taken @ SocketError::Taken { .. }) => Err(taken),
        Err(error @ (SocketError::NoSocket(_) | SocketError::Io { .. })) => {
            warn!("evictd top cannot ask: {error}");
            Ok(None)
        }
    }
}

/// Starts to answer on the socket.
fn answer(
    socket: &Socket,
    mounts: &CgroupMounts,
    kernel: Result<&mut Kernel, &mut String>,
) -> anyhow::Result<Arc<Board>> {
    let counters = match kernel {
        Ok(kernel) => kernel.take_reader().ok_or_else(|| "the maps cannot be shared".to_owned()),
        Err(why) => Err(why.clone()),
    };
    let reader = StateReader::open(mounts, counters)?;
    let board = Arc::new(Board::default());
    Server::start(socket.listener()?, board.clone(), reader)?;
    Ok(board)
}
