//! From what the node should say and what it says to the patches between them.

use std::time::Duration;

use evictd_core::NodeCondition;
use k8s_openapi::{
    api::core::v1::{Node, NodeCondition as Written, Taint},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use serde_json::{Value, json};

use super::{
    desired::{Desired, State},
    own,
};

/// How often a condition that stays as it is is confirmed, as the kubelet does with its own (O-14).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5 * 60);

/// A heartbeat that is due within this is renewed: written times have no fractions.
const HEARTBEAT_SLACK: SignedDuration = SignedDuration::from_secs(10);

/// The patches that take a node to the desired state.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Strategic merge patch of `nodes/status`.
    pub(super) status: Option<Value>,
    /// Merge patch of `nodes`. It has the resource version that was seen: taints are one list, and
    /// what others write into it meanwhile must not be lost.
    pub(super) taints: Option<Value>,
}

/// The difference between `desired` and what `node` carries. The same whoever asks and how often.
pub(super) fn plan(desired: &Desired, node: &Node, now: Timestamp) -> Plan {
    Plan { status: status(desired, node, now), taints: taints(desired, node) }
}

fn status(desired: &Desired, node: &Node, now: Timestamp) -> Option<Value> {
    let seen = node.status.as_ref().and_then(|status| status.conditions.as_deref());
    let seen = seen.unwrap_or_default();
    let entries: Vec<Value> = NodeCondition::ALL
        .into_iter()
        .filter_map(|condition| {
            let type_ = own::condition_type(condition);
            let seen = seen.iter().find(|seen| seen.type_ == type_);
            match &desired.conditions {
                Some(states) => condition_entry(condition, states[condition.index()], seen, now),
                None => seen.map(|_| json!({"$patch": "delete", "type": type_})),
            }
        })
        .collect();
    (!entries.is_empty()).then(|| json!({"status": {"conditions": entries}}))
}

/// The condition as it should be written; `None` if it stands so and was confirmed lately.
fn condition_entry(
    condition: NodeCondition,
    state: State,
    seen: Option<&Written>,
    now: Timestamp,
) -> Option<Value> {
    let status = if state.status { "True" } else { "False" };
    let (reason, message) =
        (own::reason(condition, state.status), own::message(condition, state.status));
    let same = seen.filter(|seen| seen.status == status);
    let says = |seen: &&Written| {
        let is_text = |seen: &Option<String>, text: &str| seen.as_deref() == Some(text);
        is_text(&seen.reason, reason) && is_text(&seen.message, &message)
    };
    if same.filter(says).is_some_and(|seen| is_fresh(seen.last_heartbeat_time.as_ref(), now)) {
        return None;
    }
    let since =
        same.and_then(|seen| seen.last_transition_time.clone()).unwrap_or(Time(state.since));
    Some(json!({
        "type": own::condition_type(condition),
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": Time(now),
        "lastTransitionTime": since,
    }))
}

/// A heartbeat from the future is none: the clock that wrote it was wrong.
fn is_fresh(heartbeat: Option<&Time>, now: Timestamp) -> bool {
    heartbeat.is_some_and(|Time(heartbeat)| {
        let age = now.duration_since(*heartbeat);
        !age.is_negative() && age.saturating_add(HEARTBEAT_SLACK).unsigned_abs() < HEARTBEAT
    })
}

fn taints(desired: &Desired, node: &Node) -> Option<Value> {
    let seen = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let is_wanted = |condition: NodeCondition| desired.taints[condition.index()];
    let kept = seen.iter().filter(|taint| own::condition_of(taint).is_none_or(is_wanted));
    let missing = NodeCondition::ALL.into_iter().filter(|condition| {
        let is_there = seen.iter().any(|taint| own::condition_of(taint) == Some(*condition));
        is_wanted(*condition) && !is_there
    });
    let wanted: Vec<Taint> = kept.cloned().chain(missing.map(own::taint)).collect();
    (wanted != seen).then(|| {
        json!({
            "metadata": {"resourceVersion": node.metadata.resource_version},
            "spec": {"taints": wanted},
        })
    })
}

#[cfg(test)]
mod tests;
