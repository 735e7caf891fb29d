//! What is going on on this node, as `evictd top` shows it: readings of the kernel's counters, and
//! how a running evictd gives them away.
//!
//! A [`Reading`] holds counters, not rates: whoever asks forms those from two of them, so that nobody's
//! asking changes what somebody else sees.

mod account;
mod answer;
mod board;
mod client;
mod disk;
mod node;
mod owners;
mod pods;
mod protocol;
mod reader;
mod reading;
mod role;
mod socket;
mod walk;

pub use crate::sample::MemoryEvents;
pub use account::{Account, LogCount, Memory, Owner};
pub use answer::{Answers, Server};
pub use board::{Board, Publication};
pub use client::{AskError, ask};
pub use disk::{PodDisk, UsageBy};
pub use node::{NodeState, SignalState, ThresholdKind, ThresholdState, Unit};
pub use pods::PodView;
pub use reader::{FAMILIES, StateReader};
pub use reading::{Count, ProbeState, Reading, Source};
pub use role::{Role, short_name};
pub use socket::{Socket, SocketError, claim};
pub use walk::path_of;
pub(crate) use walk::{dead, walk};

/// Where a running evictd answers.
pub const SOCKET: &str = "/run/evictd/evictd.sock";
