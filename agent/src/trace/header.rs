//! The first line of a trace.

use std::time::{SystemTime, UNIX_EPOCH};

use evictd_core::{MonoTime, Policy};
use serde::{Deserialize, Serialize};

use crate::config::Mode;

/// Which per-pod figures the observations of a trace have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figures {
    /// All, at every look: another policy can be tried on the trace.
    All,
    /// Those the evaluator asked for when it asked for them.
    Wanted,
}

/// What was recorded, where, and under which policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`Header::FORMAT`]
    pub format: String,
    /// [`Header::VERSION`]
    pub version: u32,
    /// Version of the evictd that recorded.
    pub evictd: String,
    /// Release of the kernel.
    pub kernel: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// Wall clock at the start, nanoseconds since 1970.
    pub started_unix_ns: u64,
    /// When the evaluator was made.
    pub now: MonoTime,
    /// What pods carry.
    pub figures: Figures,
    /// The policy in force at the start.
    pub policy: Policy,
}

impl Header {
    /// The name of the format.
    pub const FORMAT: &str = "evictd-trace";
    /// The version that is written and read.
    pub const VERSION: u32 = 1;

    /// Of a trace that begins `now` on this machine.
    pub fn of_this_machine(mode: Mode, figures: Figures, policy: Policy, now: MonoTime) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            format: Self::FORMAT.to_owned(),
            version: Self::VERSION,
            evictd: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            mode: mode.name().to_owned(),
            started_unix_ns: u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX),
            now,
            figures,
            policy,
        }
    }
}
