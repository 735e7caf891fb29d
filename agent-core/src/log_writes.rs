//! What containers write into their logs, and what is told of those that write too much.

use std::{sync::Arc, time::Duration};

use crate::{LogWriterAction, PodRef, Signal};

/// How far apart readings of [`LogWrites`] are best taken while logs are written.
pub const LOG_READING_INTERVAL: Duration = Duration::from_millis(200);

/// What one container has written into its log, by whoever wrote it and into whichever file: rotation
/// and truncation do not show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogWrites {
    /// The pod.
    pub pod: PodRef,
    /// The container.
    pub container: Arc<str>,
    /// Bytes since counting began; a smaller number than before means that it began anew.
    pub bytes: u64,
}

/// A container writes its log so fast that a disk threshold would be met within the horizon of
/// [`crate::LogWriterPolicy`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogWriterReport {
    /// The pod.
    pub pod: PodRef,
    /// The container.
    pub container: Arc<str>,
    /// Bytes per second.
    pub rate: u64,
    /// How long the disk lasts at that rate, or at that of all `writers` together.
    pub crosses_in: Duration,
    /// The signal that would meet its threshold.
    pub signal: Signal,
    /// 1: this container alone would. More: only so many together would, and this is the largest.
    pub writers: usize,
    /// What is done about it. Never [`LogWriterAction::Evict`] where none alone would.
    pub action: LogWriterAction,
}
