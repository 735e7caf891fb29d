//! What is said on the socket: one line of JSON each way, then the connection ends. No request changes
//! anything.

use serde::{Deserialize, Serialize};

use super::Reading;

/// Longest request, bytes.
pub const MOST_REQUEST: usize = 256;

/// Longest reply, bytes: some 100,000 cgroups.
pub const MOST_REPLY: u64 = 64 << 20;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// A reading of everything.
    State,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::State`].
    State(Box<Reading>),
    /// What was asked cannot be answered.
    Error(String),
}
