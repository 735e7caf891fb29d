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
mod reporter;
mod schedule;
mod tally;
mod watch;

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use evictd_core::{Evaluator, MonoTime, Policy};
use tracing::warn;

pub use args::Args;
pub(crate) use disk_usage::DiskUsages;
pub(crate) use watch::kernel_dev_of;

use crate::{
    clock,
    config::{Config, Mode},
    exit,
    log::start_log,
    node::Node,
    privilege,
    probe::{LADDER, LoadOptions},
    trace::{Figures, Header, Recorder, Traced, Watch},
};
use daemon::Daemon;
use evictions::Evictions;
use kernel::Kernel;
use observe::Observer;
use reporter::Reporter;

/// Runs the daemon until it is told to stop.
pub fn main(args: &Args) -> ExitCode {
    start_log(args.verbose_probes);
    let read = args.node.read().map_err(anyhow::Error::from);
    exit::code(read.and_then(|mut config| {
        config.mode = args.mode.unwrap_or(config.mode);
        let record = args.record.as_deref().map(|path| Recording::to(path, Figures::Wanted));
        run(config, args, record.transpose()?)
    }))
}

/// How a run is recorded.
pub(crate) struct Recording {
    /// Where to.
    pub(crate) out: Box<dyn Write + Send>,
    /// Which pod figures are read, and so recorded.
    pub(crate) figures: Figures,
    /// Shown every entry.
    pub(crate) watch: Watch,
    /// After how long it ends by itself.
    pub(crate) lasts: Option<Duration>,
}

impl Recording {
    /// Until it is told to stop.
    pub(crate) fn new(out: Box<dyn Write + Send>, figures: Figures) -> Self {
        Self { out, figures, watch: Box::new(|_| {}), lasts: None }
    }

    /// Into a new file.
    pub(crate) fn to(path: &Path, figures: Figures) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self::new(Box::new(file), figures))
    }
}

/// Runs as the configuration says. When all figures are recorded the trace takes the place of the
/// records on stdout.
pub(crate) fn run(config: Config, args: &Args, recording: Option<Recording>) -> anyhow::Result<()> {
    privilege::check(config.mode)?;
    harden::harden();
    let Node { mounts, sampler, index } = Node::open(&config)?;

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
        let policy = Policy { layout: sampler.fs_layout(), ..config.policy };
        let start = clock::now();
        let lasts = recording.as_ref().and_then(|recording| recording.lasts);
        let reads_all = recording.as_ref().is_some_and(|r| r.figures == Figures::All);
        let observer = Observer::new(sampler, index);
        let daemon = Daemon {
            observer: if reads_all { observer.reading_all() } else { observer },
            evaluator: traced(policy, recording, config.mode, start)?,
            evictions: Evictions::new(config.mode),
            kernel,
            reporter: if reads_all {
                Reporter::new(io::sink())
            } else {
                Reporter::new(io::stdout())
            },
            cgroup: mounts.kind.name(),
            ends: lasts.map(|lasts| start.after(lasts)),
        };
        daemon.run().await.map_err(anyhow::Error::from)
    })
}

fn traced(
    policy: Policy,
    recording: Option<Recording>,
    mode: Mode,
    start: MonoTime,
) -> io::Result<Traced> {
    let evaluator = Evaluator::new(policy.clone(), start);
    let Some(Recording { out, figures, watch, .. }) = recording else {
        return Ok(Traced::untraced(evaluator));
    };
    let header = Header::of_this_machine(mode, figures, policy, start);
    let recorder = Recorder::start(out, &header, watch)?;
    Ok(Traced::new(evaluator, recorder))
}
