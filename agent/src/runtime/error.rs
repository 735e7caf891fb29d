//! What goes wrong with a runtime.

use std::{error::Error as _, time::Duration};

use tonic::{Code, Status};

/// Why a call to the runtime gave no answer. Each names the socket and the call.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Nobody listens there, or may be asked.
    #[error("the container runtime at {socket} cannot be reached: {reason}")]
    Unreachable {
        /// The socket.
        socket: String,
        /// What the system said.
        reason: String,
    },
    /// Somebody listens who is no runtime, or one without CRI v1.
    #[error(
        "{socket} is no container runtime's socket: whoever listens there does not speak CRI v1 ({reason})"
    )]
    NotARuntime {
        /// The socket.
        socket: String,
        /// How that showed.
        reason: String,
    },
    /// It hangs.
    #[error("the container runtime at {socket} did not answer {call} within {after:?}")]
    Silent {
        /// The socket.
        socket: String,
        /// The method.
        call: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// It answered with an error.
    #[error("the container runtime at {socket} refused {call}: {reason}")]
    Refused {
        /// The socket.
        socket: String,
        /// The method.
        call: &'static str,
        /// What it said.
        reason: String,
    },
}

impl RuntimeError {
    /// What a status stands for. A broken connection is told by its innermost reason.
    pub(super) fn of(status: &Status, socket: String, call: &'static str) -> Self {
        let io = innermost(status);
        match (status.code(), io) {
            (Code::Unimplemented, _) => {
                Self::NotARuntime { socket, reason: status.message().to_owned() }
            }
            (_, Some(Inner::Io(reason))) => Self::Unreachable { socket, reason },
            (_, Some(Inner::Protocol(reason))) => Self::NotARuntime { socket, reason },
            (_, None) => {
                let reason = format!("{} ({:?})", status.message(), status.code());
                Self::Refused { socket, call, reason }
            }
        }
    }

    /// True where waiting longer for other calls is in vain for now.
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }
}

enum Inner {
    Io(String),
    Protocol(String),
}

/// The innermost error below `status` that came from the connection; `None` for a status that the
/// other side sent.
fn innermost(status: &Status) -> Option<Inner> {
    let mut error = status.source()?;
    while let Some(source) = error.source() {
        error = source;
    }
    Some(match error.downcast_ref::<std::io::Error>() {
        Some(io) => Inner::Io(io.to_string()),
        None => Inner::Protocol(error.to_string()),
    })
}
