//! The API server: which pods are on this node, and what the cluster is told of them.

mod backoff;
mod bucket;
pub mod node;
