//! `evictd run`: the daemon.

mod args;
mod asked;
mod condemned;
mod daemon;
mod disk_usage;
mod evictions;
mod filler;
mod harden;
mod inbox;
mod kernel;
mod log_file;
mod log_writers;
mod memory_events;
mod names;
mod observe;
mod pace;
mod pods_from;
mod reclaim;
pub(crate) mod record;
mod recording;
mod reload;
mod reporter;
mod runtime;
mod schedule;
mod tally;
mod told;
mod watch;

use std::{io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use evictd_core::{Evaluator, Semantics};
use tracing::{info, warn};

pub use args::{Args, STATE_DIRECTORY};
pub(crate) use disk_usage::DiskUsages;
pub(crate) use recording::Recording;
pub(crate) use reload::Configuration;
pub(crate) use watch::kernel_dev_of;

use crate::{
    clock,
    cluster::{
        Cluster, ClusterArgs, Part,
        evict::Evictor,
        kubelet,
        node::NodeReporter,
        outbox::Outbox,
        pods::{self, PodFeed, PodsKnown},
    },
    config::{Config, Watch},
    exit,
    http::{self, Vitals},
    log::start_log,
    metrics::{Deeds, Metrics},
    node::Node,
    pods::{ApiPods, PodSource},
    privilege,
    probe::{FsKind, LoadOptions, MapSizes, most_cgroup_files, with_forced},
    runtime::{RuntimeThread, Told},
    sample::{CgroupMounts, Filesystem},
    state::{self, Answers, Board, Server, Socket, SocketError, StateReader},
    trace::{Figures, Traced},
};
use condemned::Condemned;
use daemon::Daemon;
use evictions::Evictions;
use filler::Fillers;
use kernel::Kernel;
use memory_events::{MemoryEventWatch, newest_cgroup};
use observe::Observer;
use reclaim::NodeReclaims;
use reporter::Reporter;

/// Runs the daemon until it is told to stop.
pub fn main(args: &Args) -> ExitCode {
    start_log(args.verbose_probes);
    let read = Configuration::read(Watch::new(args.sources()), args.mode);
    exit::code(read.and_then(|configuration| {
        let record = args.record.as_deref().map(|path| Recording::to(path, Figures::Wanted));
        run(configuration, args, record.transpose()?)
    }))
}

/// Runs as the configuration says. When all figures are recorded the trace takes the place of the
/// records on stdout.
pub(crate) fn run(
    configuration: Configuration,
    args: &Args,
    recording: Option<Recording>,
) -> anyhow::Result<()> {
    let config = configuration.in_force();
    privilege::check(config.mode)?;
    harden::harden();
    let feed = args.cluster.is_any().then(PodFeed::default);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (thread, heard) = ask_runtime(config, args, &tokio);
    let config = &runtime::with_filesystems(config, &heard);
    let Node { mounts, sampler, index } = open(config, feed.as_ref())?;
    let sizes = MapSizes::of_node(config.max_pods, index.len());
    let reads_all = recording.as_ref().is_some_and(|r| r.figures == Figures::All);
    // Before anything is loaded: a second evictd goes without a trace. One that only records evicts
    // nobody and may run beside another.
    let socket = if reads_all { None } else { claim(&args.socket)? };
    let Lines { mut outbox, evictor, node, cluster } =
        lines(config, args, feed.as_ref(), reads_all)?;

    tokio.block_on(async move {
        let images = [sampler.imagefs(), sampler.containerfs()];
        let roots = [Some(sampler.nodefs()), sampler.logfs()].into_iter().chain(images);
        let filesystems = FsKind::at_each(roots.flatten().map(Filesystem::path));
        let load = LoadOptions {
            btf: &args.btf,
            tracefs: args.tracefs.as_deref(),
            ring_bytes: args.ring_bytes,
            log: args.verbose_probes,
            ladder: &with_forced(&args.probe_rung),
            map_sizes: sizes.entries(),
            filesystems: &filesystems,
        };
        let most_files = most_cgroup_files(index.len());
        let mut kernel = Kernel::open(load, args.probe_stats, &sampler, &mounts, most_files)
            .inspect_err(|error| warn!("no probes, only the clock: {error}"))
            .map_err(|error| error.to_string());
        if let (Ok(kernel), 1..) = (&mut kernel, args.ring_stall) {
            kernel.stall_ring(clock::now().after(Duration::from_secs(args.ring_stall)));
        }
        let Faces { board, vitals, deeds } = faces(args, socket.as_ref(), &mounts, &mut kernel)?;
        let fillers = kernel.as_mut().ok().and_then(|kernel| fillers(kernel, &mounts));
        let config = configuration.in_force();
        let reclaims = NodeReclaims::new(thread, heard);
        let policy = Node::policy(config, &sampler, reclaims.was_reached());
        // The kubelet asks nobody.
        let asks = evictor.is_some() && policy.semantics == Semantics::Strict;
        let start = clock::now();
        let ends = recording.as_ref().and_then(|recording| recording.lasts);
        let observer = Observer::new(sampler, index, kernel.as_mut().ok());
        let daemon = Daemon {
            observer: if reads_all { observer.reading_all() } else { observer },
            evaluator: match recording {
                Some(recording) => recording.begin(policy, config.mode, start)?,
                None => Traced::untraced(Evaluator::new(policy, start)),
            },
            evictions: Evictions::new(config.mode, condemned(outbox.as_mut()), asks),
            evictor,
            node,
            cluster,
            outbox,
            configuration,
            kernel: kernel.ok(),
            memory_events: MemoryEventWatch::new(newest_cgroup(&mounts)),
            reclaims,
            board,
            vitals,
            fillers,
            reporter: if reads_all {
                Reporter::new(io::sink(), deeds)
            } else {
                Reporter::new(io::stdout(), deeds)
            },
            cgroup: mounts.kind.name(),
            map_sizes: sizes,
            ends: ends.map(|lasts| start.after(lasts)),
            pods: feed,
            pods_known: PodsKnown::default(),
        };
        daemon.run().await.map_err(anyhow::Error::from)
    })
}

/// The node, with the pods of the cluster where there is one to ask.
fn open(config: &Config, feed: Option<&PodFeed>) -> anyhow::Result<Node> {
    match feed {
        Some(feed) => Node::with_pods(config, PodSource::Api(ApiPods::new(feed.clone()))),
        None => Node::open(config),
    }
}

/// The daemon's ends of what is said to the cluster, and what says it.
#[derive(Default)]
struct Lines {
    outbox: Option<Outbox>,
    evictor: Option<Evictor>,
    node: Option<NodeReporter>,
    cluster: Option<Cluster>,
}

/// Starts to talk to the cluster, if there is one; who only records says nothing there.
fn lines(
    config: &Config,
    args: &Args,
    feed: Option<&PodFeed>,
    reads_all: bool,
) -> anyhow::Result<Lines> {
    let Some(feed) = feed else { return Ok(Lines::default()) };
    let (mut lines, mut parts) = (Lines::default(), Vec::new());
    if !reads_all {
        lines.outbox = outbox(args, &mut parts)?;
        let (evictor, node) = speakers(config, &mut parts);
        (lines.evictor, lines.node) = (Some(evictor), Some(node));
    }
    let file = kubelet::configuration_file(&args.state_dir);
    parts.extend(kubelet::parts(&args.kubelet, feed, file));
    parts.extend(pods::remembering_parts(feed.clone(), pods::file(&args.state_dir)));
    lines.cluster = Some(connect(&args.cluster, feed, parts)?);
    Ok(lines)
}

/// Starts what talks to the API server. With `--require-api` it has to tell the pods first.
fn connect(args: &ClusterArgs, feed: &PodFeed, parts: Vec<Part>) -> anyhow::Result<Cluster> {
    let cluster = Cluster::start(args, parts)?;
    if args.require_api {
        feed.require()?;
    }
    Ok(cluster)
}

/// Who asks for soft evictions and who tells of the node: the daemon's ends, and the parts.
fn speakers(config: &Config, parts: &mut Vec<Part>) -> (Evictor, NodeReporter) {
    let (evictor, worker) = Evictor::new();
    parts.push(Part::new("evictions", |connection, stop| worker.run(connection, stop)));
    let (reporter, worker) = NodeReporter::new(reload::reporting(config));
    parts.push(Part::new("node", |connection, stop| worker.run(connection, stop)));
    (evictor, reporter)
}

/// What the cluster is told, if there is one: the daemon's end, and the part that tells it.
fn outbox(args: &Args, parts: &mut Vec<Part>) -> io::Result<Option<Outbox>> {
    if !args.cluster.is_any() {
        return Ok(None);
    }
    let (outbox, worker) = Outbox::open(&args.state_dir)?;
    parts.push(Part::new("outbox", move |connection, mut stop| async move {
        worker.run(connection.client, connection.node, stop.requested()).await;
    }));
    Ok(Some(outbox))
}

/// Whom an earlier evictd killed without the API server hearing of it.
fn condemned(outbox: Option<&mut Outbox>) -> Option<Condemned> {
    let unfinished = outbox?.take_unfinished();
    let mut condemned = Condemned::default();
    for notice in unfinished {
        condemned.add_dead(notice, clock::now());
    }
    Some(condemned)
}

/// Starts to talk to the runtime. Nobody to talk to costs reclaim and nothing else.
fn ask_runtime(
    config: &Config,
    args: &Args,
    tokio: &tokio::runtime::Runtime,
) -> (Option<RuntimeThread>, Vec<Told>) {
    let endpoint = args.runtime_endpoint.clone().or_else(|| config.runtime_endpoint.clone());
    match RuntimeThread::start(endpoint) {
        Ok(mut thread) => {
            let heard = tokio.block_on(runtime::first_word(&mut thread));
            (Some(thread), heard)
        }
        Err(error) => {
            warn!("nothing is reclaimed through a container runtime: no thread for it: {error}");
            (None, Vec::new())
        }
    }
}

/// Where blocks are counted, by ids of the v2 hierarchy, it can be told who fills a disk.
fn fillers(kernel: &mut Kernel, mounts: &CgroupMounts) -> Option<Fillers> {
    let root = mounts.unified.clone()?;
    Some(Fillers::start(kernel.take_space_reader()?, root))
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

/// How evictd shows itself.
struct Faces {
    board: Option<Arc<Board>>,
    vitals: Arc<Vitals>,
    deeds: Arc<Deeds>,
}

/// Answers on the socket, and over HTTP where that is wanted.
fn faces(
    args: &Args,
    socket: Option<&Socket>,
    mounts: &CgroupMounts,
    kernel: &mut Result<Kernel, String>,
) -> anyhow::Result<Faces> {
    let asked = socket.is_some() || args.http.is_some();
    let (board, answers) = if asked { answers(mounts, kernel.as_mut()) } else { (None, None) };
    if let (Some(socket), Some(answers)) = (socket, &answers) {
        let started = socket.listener().and_then(|on| Server::start(on, answers.clone()));
        if let Err(error) = started {
            warn!("evictd top cannot ask: {error}");
        }
    }
    let deeds = Arc::new(Deeds::new(&rustix::system::uname().release().to_string_lossy()));
    let stands = |family| kernel.as_ref().is_ok_and(|kernel| kernel.counts(family));
    let vitals = Arc::new(Vitals::new(clock::now(), stands));
    if let Some(address) = args.http {
        let metrics = Metrics::new(deeds.clone(), answers);
        let bound = http::Server::start(address, vitals.clone(), metrics)?;
        info!("health and metrics at http://{bound}");
    }
    Ok(Faces { board, vitals, deeds })
}

/// The board that the control loop publishes on, and what can be told by it to those who ask.
fn answers(
    mounts: &CgroupMounts,
    kernel: Result<&mut Kernel, &mut String>,
) -> (Option<Arc<Board>>, Option<Arc<Answers>>) {
    let counters = match kernel {
        Ok(kernel) => kernel.take_reader().ok_or_else(|| "the maps cannot be shared".to_owned()),
        Err(why) => Err(why.clone()),
    };
    match StateReader::open(mounts, counters) {
        Ok(reader) => {
            let board = Arc::new(Board::default());
            (Some(board.clone()), Some(Arc::new(Answers::new(board, reader))))
        }
        Err(error) => {
            warn!("nobody can ask what is going on: {error}");
            (None, None)
        }
    }
}
