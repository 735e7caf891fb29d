//! What the node says of itself: conditions, taints and Events of evictd's own.
//!
//! The kubelet owns `MemoryPressure` and its like, writes them every few minutes and would overwrite
//! others' values; evictd's are named after it and are patched one by one.

mod desired;
mod events;
mod own;
mod plan;
mod reporter;
mod worker;

pub use desired::Reporting;
pub use reporter::NodeReporter;
pub use worker::NodeWorker;
