//! The names of evictd's own conditions and taints, and their texts.

use evictd_core::NodeCondition;
use k8s_openapi::api::core::v1::Taint;

/// Keeps pods that do not tolerate it from being placed here; those that run stay.
const NO_SCHEDULE: &str = "NoSchedule";

/// `type` of the node condition.
pub(super) const fn condition_type(condition: NodeCondition) -> &'static str {
    match condition {
        NodeCondition::MemoryPressure => "evictd.dev/MemoryPressure",
        NodeCondition::DiskPressure => "evictd.dev/DiskPressure",
        NodeCondition::PidPressure => "evictd.dev/PIDPressure",
    }
}

/// `key` of the taint.
pub(super) const fn taint_key(condition: NodeCondition) -> &'static str {
    match condition {
        NodeCondition::MemoryPressure => "evictd.dev/memory-pressure",
        NodeCondition::DiskPressure => "evictd.dev/disk-pressure",
        NodeCondition::PidPressure => "evictd.dev/pid-pressure",
    }
}

/// The taint that goes with the condition.
pub(super) fn taint(condition: NodeCondition) -> Taint {
    let key = taint_key(condition).to_owned();
    Taint { key, effect: NO_SCHEDULE.to_owned(), ..Taint::default() }
}

/// The condition that a taint of the node goes with; `None` if it is somebody else's.
pub(super) fn condition_of(taint: &Taint) -> Option<NodeCondition> {
    let is_own = |condition: &NodeCondition| {
        taint.key == taint_key(*condition) && taint.effect == NO_SCHEDULE
    };
    NodeCondition::ALL.into_iter().find(is_own)
}

/// `reason` of the condition: the kubelet's word for the change, as its Event has it.
pub(super) const fn reason(condition: NodeCondition, status: bool) -> &'static str {
    condition.text(status).event
}

/// `message` of the condition: the kubelet's, with the name of who says it.
pub(super) fn message(condition: NodeCondition, status: bool) -> String {
    condition.text(status).message.replacen("kubelet", "evictd", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_kubelets_but_for_the_name() {
        let pid = NodeCondition::PidPressure;
        assert_eq!(message(pid, true), "evictd has insufficient PID available");
        assert_eq!(reason(pid, false), "NodeHasSufficientPID");
    }

    #[test]
    fn a_taint_is_own_by_key_and_effect() {
        let own = taint(NodeCondition::DiskPressure);
        let cases = [
            ("own", own.clone(), Some(NodeCondition::DiskPressure)),
            ("other effect", Taint { effect: "NoExecute".into(), ..own.clone() }, None),
            ("kubelet's", Taint { key: "node.kubernetes.io/disk-pressure".into(), ..own }, None),
        ];
        for (name, taint, expected) in cases {
            assert_eq!(condition_of(&taint), expected, "{name}");
        }
    }
}
