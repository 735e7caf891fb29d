//! The command line of `evictd run`.

use std::{net::SocketAddr, path::PathBuf};

use crate::{
    cluster::{
        ClusterArgs,
        kubelet::{self, KubeletArgs},
    },
    config::{ConfigArgs, Mode},
    probe::ForcedRung,
    runtime::Endpoint,
};

/// Not on the kubelet's own directory, which is emptied with a node's pods.
pub const STATE_DIRECTORY: &str = "/var/lib/evictd";

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node and what to do on it.
    #[command(flatten)]
    pub node: ConfigArgs,

    /// The cluster that the node belongs to.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// This node's kubelet.
    #[command(flatten)]
    pub kubelet: KubeletArgs,

    /// Whether to act. Wins over `mode` of the configuration; observe if neither says.
    #[arg(long)]
    pub mode: Option<Mode>,

    /// The container runtime's socket. Wins over `containerRuntimeEndpoint` of the configuration; without
    /// either those of containerd, CRI-O and cri-dockerd are looked for.
    #[arg(long, value_name = "SOCKET")]
    pub runtime_endpoint: Option<Endpoint>,

    /// Let the kernel programs log what they see (aya-log), to stderr at debug level.
    #[arg(long)]
    pub verbose_probes: bool,

    /// Let the kernel measure each program's run time; `stopped` reports it. Costs about 100 ns a
    /// run.
    #[arg(long)]
    pub probe_stats: bool,

    /// The kernel's BTF, for kernels that keep it elsewhere.
    #[arg(long, value_name = "FILE", default_value = crate::probe::KERNEL_BTF)]
    pub btf: PathBuf,

    /// Where the kernel describes its tracepoints, instead of the places where tracefs usually is.
    #[arg(long, value_name = "DIR", hide = true)]
    pub tracefs: Option<PathBuf>,

    /// Where `evictd top` may ask what is going on: a unix socket, for this user alone. Nothing can be
    /// changed through it. Another evictd that answers there keeps this one from starting.
    #[arg(long, value_name = "PATH", default_value = crate::state::SOCKET)]
    pub socket: PathBuf,

    /// Serve health and metrics over HTTP there: /healthz, /readyz, and /metrics for Prometheus. Nothing can
    /// be changed through it.
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,

    /// Serve a probe family from this rung or not at all, such as `tasks=raw-tracepoint`; may be
    /// repeated. `evictd doctor` shows the families.
    #[arg(long, value_name = "FAMILY=RUNG", hide = true)]
    pub probe_rung: Vec<ForcedRung>,

    /// Where evictd keeps what it has not told the API server yet, so that it survives a restart. Needs a
    /// few MiB at most.
    #[arg(long, value_name = "DIR", default_value = STATE_DIRECTORY)]
    pub state_dir: PathBuf,

    /// Also write a trace: every input of the evaluator and every command it gave, to play again with
    /// `evictd replay`. It has the pod figures that were wanted; `evictd record` writes all. Better not
    /// on a filesystem whose filling up is watched.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Leave the ring buffer unread for this long, to see what is lost.
    #[arg(long, value_name = "SECONDS", hide = true, default_value_t = 0)]
    pub ring_stall: u64,

    /// Size of the ring buffer; a power of two, at least a page.
    #[arg(long, value_name = "BYTES", hide = true)]
    pub ring_bytes: Option<u32>,
}

impl Args {
    /// The node, with what its kubelet says where that is asked.
    pub(super) fn sources(&self) -> ConfigArgs {
        let mut node = self.node.clone();
        let asks = self.kubelet.kubelet_url.is_some();
        node.sources.kubelet_told = asks.then(|| kubelet::configuration_file(&self.state_dir));
        node
    }
}
