//! The part of the command line that says which cluster this node belongs to.

use std::path::PathBuf;

/// Where the API server is and who asks it. Without `--kubeconfig` and `--in-cluster` evictd asks nobody.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// This node's pods come from the cluster of this kubeconfig, and what is done is told there.
    #[arg(long, value_name = "FILE", group = "api")]
    pub kubeconfig: Option<PathBuf>,

    /// As --kubeconfig, from within a pod: the API server and the token of the pod's service account.
    #[arg(long, group = "api")]
    pub in_cluster: bool,

    /// This node's name in the cluster; else the host name, as the kubelet has it.
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    pub node_name: Option<String>,

    /// End with exit code 1 if the API server does not tell the node's pods at start (2 for a kubeconfig
    /// that cannot be used). Otherwise that is said, evictd goes on with what it knows, and tries again.
    #[arg(long, requires = "api")]
    pub require_api: bool,
}

impl ClusterArgs {
    /// True if there is a cluster to ask.
    pub const fn is_any(&self) -> bool {
        self.kubeconfig.is_some() || self.in_cluster
    }
}
