//! What the control loop asks for, and what came of it.

use std::{path::PathBuf, time::Duration};

use evictd_core::{MonoTime, ReclaimStep, Resource, Signal};
use serde::Serialize;

use crate::sample::Filesystem;

/// When enough is freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Never: everything that may go goes (kubelet semantics, L-24).
    Everything,
    /// As soon as the filesystem that holds `path` has `available` of what `signal` counts.
    Until {
        /// A path on the filesystem.
        path: PathBuf,
        /// Its bytes or its inodes.
        signal: Signal,
        /// How much is enough, in the signal's unit.
        available: i64,
    },
}

impl Goal {
    /// What is available now; `None` where that cannot be told or is not asked for.
    fn available(&self) -> Option<i64> {
        let Self::Until { path, signal, .. } = self else { return None };
        let sample = Filesystem::open(path).ok()?.sample(MonoTime::default())?;
        let seen =
            if signal.resource() == Resource::Inodes { sample.inodes? } else { sample.bytes };
        Some(seen.available)
    }

    /// True when nothing more has to go.
    pub(super) fn is_reached(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Until { available, .. } => self.available().is_some_and(|now| now >= *available),
        }
    }
}

/// To free what `steps` name until the goal is reached.
#[derive(Clone, Debug)]
pub struct Order {
    /// Counts the orders, so that an answer can be told from a late one.
    pub number: u64,
    /// What may go, in this order.
    pub steps: &'static [ReclaimStep],
    /// When to stop.
    pub goal: Goal,
    /// Where containers' logs lie.
    pub pod_logs_dir: PathBuf,
    /// `imageMinimumGCAge`: younger images stay.
    pub minimum_image_age: Duration,
    /// Only say what would go (observe mode).
    pub pretend: bool,
}

/// Something that went, or would have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Freed {
    /// A dead container and its log.
    Container {
        /// The runtime's id.
        id: String,
        /// UID of its pod.
        pod_uid: String,
        /// Its name in the pod.
        container: String,
    },
    /// An image.
    Image {
        /// The runtime's id.
        id: String,
        /// What people call it.
        name: String,
        /// Bytes, as the runtime reckons.
        size: u64,
    },
    /// A rotated log of a dead pod.
    RotatedLog {
        /// The file.
        path: PathBuf,
        /// Bytes.
        size: u64,
    },
}

/// What came of an [`Order`].
#[derive(Clone, Debug, Default)]
pub struct Reclaimed {
    /// The order's.
    pub number: u64,
    /// What went, in the order in which it went.
    pub freed: Vec<Freed>,
    /// Why it ended early or passed something over; the first reason if there are several.
    pub problem: Option<String>,
    /// The runtime did not answer in time: better not asked again at once.
    pub is_silent: bool,
    /// How long it took.
    pub took: Duration,
}
