//! The container runtime, through CRI v1 over its unix socket: what it keeps that no pod needs any
//! more, and on which filesystems.
//!
//! A thread of its own (`evictd-runtime`) talks to it. The control loop hands it one order at a time
//! through a bounded channel and never waits for it; each call has a deadline, so that a runtime that
//! hangs costs its own reclaim and nothing else.

mod client;
mod cri;
mod dead_logs;
mod endpoint;
mod error;
mod filesystems;
mod image_use;
mod order;
mod plan;
mod reclaim;
mod stock;
mod thread;

pub use client::{RuntimeClient, RuntimeVersion};
pub use endpoint::{Endpoint, EndpointError, SOCKETS};
pub use error::RuntimeError;
pub use filesystems::RuntimeFilesystems;
pub use order::{Freed, Goal, Order, Reclaimed};
pub use plan::{Removal, plan};
pub use stock::{Container, ContainerPhase, Image, Stock};
pub use thread::{RuntimeThread, Told};
