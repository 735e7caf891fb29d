//! What a node's status and events say of its conditions (spec §5.4).

use crate::NodeCondition;

/// The texts of a condition in one of its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionText {
    /// `reason` of the condition.
    pub reason: &'static str,
    /// `message` of the condition.
    pub message: &'static str,
    /// Reason of the event that tells of the change.
    pub event: &'static str,
}

impl NodeCondition {
    /// The kubelet's texts for the condition being true or false.
    pub const fn text(self, status: bool) -> ConditionText {
        let (reason, message, event) = match (self, status) {
            (Self::MemoryPressure, true) => (
                "KubeletHasInsufficientMemory",
                "kubelet has insufficient memory available",
                "NodeHasInsufficientMemory",
            ),
            (Self::MemoryPressure, false) => (
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
                "NodeHasSufficientMemory",
            ),
            (Self::DiskPressure, true) => {
                ("KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure")
            }
            (Self::DiskPressure, false) => (
                "KubeletHasNoDiskPressure",
                "kubelet has no disk pressure",
                "NodeHasNoDiskPressure",
            ),
            (Self::PidPressure, true) => (
                "KubeletHasInsufficientPID",
                "kubelet has insufficient PID available",
                "NodeHasInsufficientPID",
            ),
            (Self::PidPressure, false) => (
                "KubeletHasSufficientPID",
                "kubelet has sufficient PID available",
                "NodeHasSufficientPID",
            ),
        };
        ConditionText { reason, message, event }
    }
}
