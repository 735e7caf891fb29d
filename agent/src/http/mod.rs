//! Health and metrics over HTTP, on one port, for the kubelet's probes and for Prometheus. Nothing can be
//! changed through it.

mod server;
mod vitals;

pub use server::{HttpError, Server};
pub use vitals::Vitals;
