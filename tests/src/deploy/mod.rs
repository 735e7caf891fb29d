//! What is in `deploy/`: rendered, taken by a real API server, and an agent's account as the DaemonSet has it.

mod agent;
mod difference;
mod render;

pub use agent::Agent;
pub use difference::differences;
pub use render::{HELM, chart, overlay, taken};

use std::path::PathBuf;

/// The namespace of the manifests.
pub const NAMESPACE: &str = "evictd-system";

/// The directory `deploy`.
pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}
