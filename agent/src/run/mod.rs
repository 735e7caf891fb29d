//! `evictd run`: the daemon.

mod daemon;
mod disk_usage;
mod evictions;
mod harden;
mod inbox;
mod kernel;
mod observe;
mod privilege;
mod record;
mod reporter;
mod schedule;
mod tally;
mod watch;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use evictd_core::{Evaluator, Policy, Semantics};
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;

use crate::{
    clock,
    config::{Config, InputError, Mode},
    pods::{CgroupTree, ManifestDirectory, NodeLayout, PodIndex, PodSource},
    probe::{LADDER, LoadOptions},
    sample::{CgroupMounts, NodeSampler, NodeSources},
};
use daemon::Daemon;
use evictions::Evictions;
use kernel::Kernel;
use observe::Observer;
use reporter::Reporter;

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Wins over the configuration's `pods`.
    pub pods: Option<PathBuf>,
    /// Wins over the configuration's `mode`.
    pub mode: Option<Mode>,
    /// Whether the kernel programs log.
    pub verbose_probes: bool,
    /// Whether the kernel measures its programs.
    pub probe_stats: bool,
    /// The kernel's BTF.
    pub btf: PathBuf,
    /// Size of the ring buffer.
    pub ring_bytes: Option<u32>,
}

/// Bad input, as opposed to a machine that evictd cannot run on.
const BAD_INPUT: u8 = 2;

/// Runs the daemon until it is told to stop.
pub fn main(options: &Options) -> ExitCode {
    start_log(options.verbose_probes);
    let config = match read_config(options) {
        Ok(config) => config,
        Err(input) => {
            error!("{input}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match run(config, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => match failure.downcast_ref::<InputError>() {
            Some(input) => {
                error!("{input}");
                ExitCode::from(BAD_INPUT)
            }
            None => {
                error!("{failure:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn read_config(options: &Options) -> Result<Config, InputError> {
    let mut config = Config::read(&options.config)?;
    config.mode = options.mode.unwrap_or(config.mode);
    config.pods = options.pods.clone().unwrap_or(config.pods);
    Ok(config)
}

fn run(config: Config, options: &Options) -> anyhow::Result<()> {
    privilege::check(config.mode)?;
    harden::harden();
    let mounts = CgroupMounts::detect(Path::new("/proc/mounts"))?;
    let layout = NodeLayout {
        root_directory: config.root_directory.clone(),
        pod_logs_dir: config.pod_logs_dir,
        cgroup_root: config.cgroup_root,
    };
    let tree = CgroupTree::open(&mounts, &layout.pods_cgroup())?;
    let sources = NodeSources {
        proc: Path::new("/proc"),
        nodefs: &config.root_directory,
        imagefs: config.imagefs.as_deref(),
        pods_pids_limit: config.policy.semantics == Semantics::Strict,
    };
    let sampler = NodeSampler::open(sources, &tree)?;
    let source = PodSource::Manifests(ManifestDirectory::new(config.pods));
    let index = PodIndex::open(source, layout, config.protect, tree)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let load = LoadOptions {
            btf: &options.btf,
            ring_bytes: options.ring_bytes,
            log: options.verbose_probes,
            ladder: LADDER,
        };
        let kernel = Kernel::open(load, options.probe_stats, &sampler)
            .map_err(|error| warn!("no probes, only the clock: {error}"))
            .ok();
        let policy = Policy { layout: sampler.fs_layout(), ..config.policy };
        let daemon = Daemon {
            observer: Observer::new(sampler, index),
            evaluator: Evaluator::new(policy, clock::now()),
            evictions: Evictions::new(config.mode),
            kernel,
            reporter: Reporter::new(io::stdout()),
            cgroup: mounts.kind.name(),
        };
        daemon.run().await.map_err(anyhow::Error::from)
    })
}

/// Logs go to stderr; records have stdout to themselves.
fn start_log(verbose_probes: bool) {
    let default = if verbose_probes { "info,evictd_probes=debug" } else { "info" };
    let filter = EnvFilter::try_from_env("EVICTD_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(rustix::termios::isatty(io::stderr()))
        .with_target(false)
        .init();
}
