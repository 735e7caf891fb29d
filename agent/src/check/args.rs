//! The command line of `evictd check`.

use std::path::PathBuf;

/// What the command line asks for.
///
/// Nothing is changed and nothing is watched: the file and the node are read once. Exit codes: 0, or
/// with `--strict` 1 if there is a warning; 2 for a file that cannot be used.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// evictd's configuration or a KubeletConfiguration.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Do not look at this machine: thresholds stay as written, only what the file alone tells is
    /// found. For a file that is meant for another node.
    #[arg(long, conflicts_with = "images")]
    pub no_node: bool,

    /// The kubelet's configuration on this node, to find thresholds that both would act on.
    /// Without it /var/lib/kubelet/config.yaml is taken, if there is one.
    #[arg(long, value_name = "FILE")]
    pub kubelet: Option<PathBuf>,

    /// Where the runtime keeps images, which a KubeletConfiguration does not say. Without it the usual
    /// places of containerd and CRI-O are looked at.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,

    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,

    /// Exit with 1 if there is any warning.
    #[arg(long)]
    pub strict: bool,
}
