//! What there is to tell of one eviction.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use evictd_core::{EvictionReport, PodRef};
use serde::{Deserialize, Serialize};

/// An eviction as the cluster is to hear of it. Made after the kill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub pod: Arc<str>,
    /// `metadata.uid`. A pod made anew under the same name has another one and is never touched.
    pub uid: Arc<str>,
    /// Inode of the cgroup that was killed.
    pub cgroup_inode: u64,
    /// When it was killed, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The kubelet's message, as it words it.
    pub message: String,
    /// Annotations of the event.
    pub annotations: BTreeMap<String, String>,
    /// Whether the condition `DisruptionTarget` is told too.
    pub disruption_target: bool,
}

impl Notice {
    /// Of a kill just now.
    pub fn new(pod: &PodRef, namespace: Arc<str>, name: Arc<str>, report: EvictionReport) -> Self {
        let annotations = report.annotations.into_iter();
        Self {
            namespace,
            pod: name,
            uid: pod.uid.clone(),
            cgroup_inode: pod.cgroup_inode,
            at_unix_ms: unix_ms(SystemTime::now()),
            message: report.message,
            annotations: annotations.map(|(key, value)| (key.to_owned(), value)).collect(),
            disruption_target: report.disruption_target,
        }
    }

    /// The pod's identity on this node.
    pub fn pod_ref(&self) -> PodRef {
        PodRef { uid: self.uid.clone(), cgroup_inode: self.cgroup_inode }
    }

    /// How long ago it was; zero if the clock was set back meanwhile.
    pub fn age(&self, now: SystemTime) -> Duration {
        Duration::from_millis(unix_ms(now).saturating_sub(self.at_unix_ms))
    }
}

pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
