//! What the cluster knows of evictions and of the node.

use evictd_tests::{control_plane::ControlPlane, record::Eviction};
use k8s_openapi::api::core::v1::{Event, Node, PodStatus};
use kube::{Api, api::ListParams};

/// Holds a pod's status, and the events about it, against its eviction.
pub(crate) fn assert_evicted(plane: &ControlPlane, status: &PodStatus, eviction: &Eviction) {
    let told = (status.phase.as_deref(), status.reason.as_deref(), status.message.as_deref());
    assert_eq!(told, (Some("Failed"), Some("Evicted"), Some(&*eviction.message)));
    let conditions = status.conditions.iter().flatten();
    let disrupted = conditions.clone().find(|c| c.type_ == "DisruptionTarget");
    let about = disrupted.map(|c| (&*c.status, c.reason.as_deref()));
    assert_eq!(about, Some(("True", Some("TerminationByKubelet"))), "{status:?}");
    assert_one_event(plane, eviction);
}

/// Told once, however often it was tried.
pub(crate) fn assert_one_event(plane: &ControlPlane, eviction: &Eviction) {
    let events = events(plane, &eviction.namespace);
    let about = events.iter().filter(|e| e.involved_object.uid.as_deref() == Some(&eviction.uid));
    let messages: Vec<_> = about.filter_map(|event| event.message.as_deref()).collect();
    assert_eq!(messages, [&*eviction.message]);
}

/// Events of evictions in that namespace.
pub(crate) fn events(plane: &ControlPlane, namespace: &str) -> Vec<Event> {
    let api = Api::<Event>::namespaced(plane.admin().unwrap(), namespace);
    let params = ListParams::default().fields("reason=Evicted");
    plane.wait(api.list(&params)).unwrap().items
}

/// evictd's own conditions and taints on a Node.
pub(crate) fn marks(node: &Node) -> Vec<String> {
    let conditions = node.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let conditions = conditions.map(|c| format!("{}={}", c.type_, c.status));
    let taints = node.spec.iter().flat_map(|s| s.taints.iter().flatten()).map(|t| t.key.clone());
    conditions.chain(taints).filter(|mark| mark.starts_with("evictd.dev/")).collect()
}
