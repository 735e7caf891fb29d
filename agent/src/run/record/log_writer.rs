//! A container that writes its log too fast.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path, sync::Arc, time::Duration};

use evictd_core::{LogWriterReport, Signal};
use serde::Serialize;

use super::{PodName, display};
use crate::{
    pods::{Pod, PodIndex},
    run::{filler::Filler, log_file::NewestFile},
};

/// See [`super::Record::LogWriter`].
#[derive(Debug, Serialize)]
pub struct LogWriter {
    /// The pod.
    #[serde(flatten)]
    pub name: PodName,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// The container.
    pub container: Arc<str>,
    /// The file it writes to.
    pub file: Option<NewestFile>,
    /// How fast.
    pub rate_bytes_per_second: u64,
    /// When the threshold will be met at that rate, or at that of all `writers` together.
    pub crosses_in_ms: u64,
    /// The signal.
    #[serde(serialize_with = "display")]
    pub signal: Signal,
    /// Writers for which that takes longer are not told of.
    pub horizon_ms: u64,
    /// 1: this container alone would meet the threshold in that time. More: so many together, of which
    /// it is the largest.
    pub writers: usize,
    /// `report` or `evict`.
    pub action: &'static str,
    /// Who fills the disk faster than any pod, where that is no pod.
    pub filled_by: Option<Filler>,
}

impl LogWriter {
    /// A report with the names that people know.
    pub fn new(report: &LogWriterReport, horizon: Duration, index: &PodIndex) -> Self {
        let pod = index.by_uid(&report.pod.uid);
        let name = match pod.map(Pod::facts) {
            Some(facts) => PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() },
            None => PodName { namespace: "".into(), pod: report.pod.uid.clone() },
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let directory = |root: &Path| NewestFile(root.join(&*report.container));
        Self {
            name,
            uid: report.pod.uid.clone(),
            container: report.container.clone(),
            file: pod.map(|pod| directory(OsStr::from_bytes(pod.logs_root().to_bytes()).as_ref())),
            rate_bytes_per_second: report.rate,
            crosses_in_ms: millis(report.crosses_in),
            signal: report.signal,
            horizon_ms: millis(horizon),
            writers: report.writers,
            action: report.action.name(),
            filled_by: None,
        }
    }
}
