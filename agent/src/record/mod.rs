//! `evictd record`: the daemon in observe mode, with everything it sees written to a trace.

mod progress;

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use evictd_core::parse_duration;

use crate::{
    cluster::{ClusterArgs, kubelet::KubeletArgs},
    config::{ConfigArgs, Mode, Watch},
    exit,
    log::start_log,
    probe::KERNEL_BTF,
    run::{self, Configuration, Recording},
    state::SOCKET,
    trace::Figures,
};
use progress::Progress;

/// Watches the node as `evictd run --mode observe` does, touches nothing, and writes all of it to a
/// trace: signals, all figures of all pods at every look, and what was decided.
///
/// `evictd replay` plays it again under the same policy or another one, `evictd rank --from` ranks the
/// pods as they were. It ends after `--for`, or on SIGINT or SIGTERM; the trace is complete then.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node and the policy.
    #[command(flatten)]
    pub node: ConfigArgs,

    /// The cluster that the node belongs to.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Where to; `-` is stdout. Better not on a filesystem whose filling up is watched.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,

    /// How long, such as 30s or 1h30m; until it is told to stop without it.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub lasts: Option<Duration>,
}

/// Records until it is to end.
pub fn main(args: &Args) -> ExitCode {
    start_log(false);
    let read = Configuration::read(Watch::new(args.node.clone()), Some(Mode::Observe));
    exit::code(read.and_then(|configuration| {
        let mut recording = recording(args)?;
        recording.lasts = args.lasts;
        recording.listener = Progress::on_a_terminal();
        run::run(configuration, &as_a_run(args), Some(recording))
    }))
}

fn recording(args: &Args) -> anyhow::Result<Recording> {
    if args.out.as_os_str() == "-" {
        Ok(Recording::new(Box::new(io::stdout()), Figures::All))
    } else {
        Recording::to(&args.out, Figures::All)
    }
}

fn as_a_run(args: &Args) -> run::Args {
    run::Args {
        node: args.node.clone(),
        cluster: args.cluster.clone(),
        // What it says would be kept in the state directory.
        kubelet: KubeletArgs::default(),
        mode: Some(Mode::Observe),
        verbose_probes: false,
        probe_stats: false,
        btf: PathBuf::from(KERNEL_BTF),
        tracefs: None,
        // Not taken: a recorder answers nobody.
        socket: PathBuf::from(SOCKET),
        // Nor kept: it evicts nobody.
        state_dir: PathBuf::from(run::STATE_DIRECTORY),
        runtime_endpoint: None,
        probe_rung: Vec::new(),
        record: None,
        ring_stall: 0,
        ring_bytes: None,
        http: None,
    }
}
