//! Why a pod was not killed.

use evictd_core::RefusedReason;
use rustix::io::Errno;
use thiserror::Error;

/// Nothing, or not everything, was killed. Making one allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KillError {
    /// The index has no pod with that UID any more.
    #[error("the pod is not on this node any more")]
    UnknownPod,
    /// The pod has no cgroup now.
    #[error("looking up the pod cgroup: {errno}")]
    NoCgroup {
        /// What the kernel said.
        errno: Errno,
    },
    /// The path of the pod cgroup leads to another cgroup than the decision was about.
    #[error("the pod cgroup has inode {found}, but the decision was about inode {decided}")]
    Reused {
        /// The inode that was decided about.
        decided: u64,
        /// The inode found now.
        found: u64,
    },
    /// The pod must not be evicted; the evaluator should not have asked.
    #[error("the pod is static, critical or protected")]
    Protected,
    /// The kernel refused.
    #[error("{action} {file} of the pod cgroup: {errno}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
    /// Processes were left when the sweep ran out of time.
    #[error("processes left in the pod cgroup after {rounds} rounds of SIGKILL")]
    Survivors {
        /// Rounds made.
        rounds: u32,
    },
}

impl KillError {
    /// The outcome as the evaluator wants it.
    pub const fn reason(&self) -> RefusedReason {
        match self {
            Self::UnknownPod | Self::NoCgroup { .. } => RefusedReason::Gone,
            Self::Reused { .. } => RefusedReason::Reused,
            Self::Protected | Self::Refused { .. } | Self::Survivors { .. } => {
                RefusedReason::Failed
            }
        }
    }

    /// The error of an access to a file of the victim's cgroup: a cgroup that is gone is no failure.
    pub(super) const fn of_file(action: &'static str, file: &'static str, errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NODEV => Self::NoCgroup { errno },
            _ => Self::Refused { action, file, errno },
        }
    }
}
