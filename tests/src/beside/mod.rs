//! evictd beside a real kubelet: a machine of our own (a VM) with containerd and the kubelet as they come, and an
//! API server that it reaches over the network. Only for a machine that is thrown away afterwards.

mod cluster;
mod evictd;
mod gauge;
mod kubelet;
mod machine;
mod run;
mod status;

pub use cluster::Cluster;
pub use kubelet::Kubelet;
pub use machine::Machine;
pub use run::{Run, run, wait_until};
pub use status::Status;

/// The folder in the machine where the API server's certificate and the kubeconfig lie.
pub const CLUSTER_FILES: &str = "/etc/cluster";
/// In it, for a user who may do everything: the kubelet, evictd and the tests go by it.
pub const KUBECONFIG: &str = "admin.kubeconfig";
/// Host name of the API server as a guest with user-mode networking sees it.
pub const HOST: &str = "10.0.2.2";
/// The only node.
pub const NODE: &str = "evictd-beside";

/// Who signs certificates of users there.
pub const AUTHORITY: &str = "ca.crt";

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A pod takes memory.
    Memory,
    /// A pod's log, written by containerd, fills nodefs.
    Log,
}

impl Trouble {
    /// All, in the order in which they are run.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Log];

    /// As printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Log => "log",
        }
    }

    /// The threshold in the kubelet's configuration, MiB left.
    const fn kubelet_threshold_mib(self) -> u64 {
        match self {
            Self::Memory => 500,
            Self::Log => 220,
        }
    }

    /// The threshold of the one who is to act: evictd's is the kubelet's and its margin.
    const fn threshold_mib(self, with_evictd: bool) -> u64 {
        let kubelet = self.kubelet_threshold_mib();
        if with_evictd { kubelet + kubelet / 10 } else { kubelet }
    }

    /// The arguments of `evictd-workload`: past the threshold at a pace that leaves the kubelet its ten seconds,
    /// and bounded where nobody steps in.
    const fn workload(self) -> &'static [&'static str] {
        match self {
            Self::Memory => &["memory-hog", "--mib-per-s", "25", "--max-mib", "1350"],
            Self::Log => &["log-writer", "--rate", "10", "--max-mib", "220"],
        }
    }
}
