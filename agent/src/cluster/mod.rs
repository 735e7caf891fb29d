//! The API server: which pods are on this node, and what the cluster is told of them.
//!
//! Everything here runs on one thread, `evictd-api`, with a runtime of its own. The daemon never waits
//! for it: it reads what was left for it, and leaves what is to be told in bounded queues.

mod access;
mod args;
mod backoff;
mod bucket;
mod connect;
mod error;
pub mod evict;
pub mod kubelet;
pub mod node;
pub mod outbox;
pub mod pods;
#[cfg(test)]
mod scripted;
mod thread;
mod timeouts;
mod whole_file;

pub use args::ClusterArgs;
pub use connect::Connection;
pub use error::{Attempt, ConnectError};
pub use thread::{Cluster, Part, Stop};
