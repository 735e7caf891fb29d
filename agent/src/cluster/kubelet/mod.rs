//! This node's kubelet, asked at its own port with the credentials for the API server: what it is
//! configured by (`/configz`), and its pods (`/pods`) while the API server does not tell them.
//!
//! Both are read-only. RBAC: `get` of `nodes/configz` and `nodes/pods`, which kubelets since 1.33 ask for;
//! older ones ask for `nodes/proxy`, which also allows to run commands in every container.

mod args;
mod client;
mod configz;
mod pods;

pub use args::KubeletArgs;

use std::path::{Path, PathBuf};

use super::{Part, pods::PodFeed};

/// Where, below evictd's state directory, stands what the kubelet said it is configured by.
pub fn configuration_file(state: &Path) -> PathBuf {
    state.join("kubelet").join("configz.yaml")
}

/// The parts that ask it, if it is to be asked. The configuration is written to `file` when it differs
/// from what is there; pods are told `feed`.
pub fn parts(args: &KubeletArgs, feed: &PodFeed, file: PathBuf) -> Vec<Part> {
    let Some(kubelet) = client::Kubelet::of(args) else {
        return Vec::new();
    };
    let (other, feed) = (kubelet.clone(), feed.clone());
    vec![
        Part::new("kubelet's configuration", move |connection, stop| {
            configz::keep(kubelet, connection, file, stop)
        }),
        Part::new("kubelet's pods", move |connection, stop| {
            pods::keep(other, connection, feed, stop)
        }),
    ]
}
