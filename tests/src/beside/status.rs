//! What a pod's status says of an eviction.

use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

/// What a status says of an eviction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// When it was heard of.
    pub at_ms: f64,
    /// `status.phase`.
    pub phase: String,
    /// `status.reason`.
    pub reason: Option<String>,
    /// Reason of the condition `DisruptionTarget`, if that is true.
    pub disruption: Option<String>,
    /// `restartCount` of the container.
    pub restarts: i32,
}

impl Status {
    /// The status of `pod` as it was heard of then.
    pub(super) fn of(pod: &Pod, at_ms: f64) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let target = conditions.into_iter().find(|c| c.type_ == "DisruptionTarget");
        let containers = status.container_statuses.unwrap_or_default();
        Self {
            at_ms,
            phase: status.phase.unwrap_or_default(),
            reason: status.reason,
            disruption: target.filter(|target| target.status == "True").and_then(|c| c.reason),
            restarts: containers.iter().map(|container| container.restart_count).sum(),
        }
    }
}
