//! What is sent to the API server.

use std::sync::Arc;

use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use kube::{
    Resource as _,
    api::{Patch, PatchParams, PostParams},
    client::Body,
    core::Request,
};
use serde_json::{Value, json};

use super::{Entry, Matter, Notice};

/// As the kubelet has it, so that what looks for evicted pods finds these.
const REASON: &str = "Evicted";
const COMPONENT: &str = "evictd";
/// The longest name of an object.
const LONGEST_NAME: usize = 253;

/// The request for an entry.
///
/// # Errors
/// A name that cannot be part of a URL.
pub(super) fn request(
    entry: &Entry,
    node: &Arc<str>,
) -> Result<http::Request<Body>, kube::core::request::Error> {
    let Notice { namespace, pod, .. } = &*entry.notice;
    let request = match entry.matter {
        Matter::Status => {
            let pods = Request::new(Pod::url_path(&(), Some(namespace)));
            let patch = Patch::Strategic(status_patch(&entry.notice));
            let by =
                PatchParams { field_manager: Some(COMPONENT.to_owned()), ..Default::default() };
            pods.patch_subresource("status", pod, &by, &patch)
        }
        Matter::Event => {
            let body = serde_json::to_vec(&event(&entry.notice, node))
                .map_err(kube::core::request::Error::SerializeBody)?;
            let events = Request::new(Event::url_path(&(), Some(namespace)));
            let by = PostParams { field_manager: Some(COMPONENT.to_owned()), ..Default::default() };
            events.create(&by, body)
        }
    }?;
    Ok(request.map(Body::from))
}

/// O-7. The uid makes the API server refuse it for another pod of that name.
///
/// Container statuses are left to the kubelet: it takes the containers down when it sees the phase, is
/// the only one to know how they ended, and the list can only be replaced as a whole.
fn status_patch(notice: &Notice) -> Value {
    let at = Time(time(notice));
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason,
            "lastProbeTime": null, "lastTransitionTime": at,
        })
    };
    // As the kubelet does with the pods that it ends.
    let mut conditions = vec![
        condition("Ready", "False", "PodFailed"),
        condition("ContainersReady", "False", "PodFailed"),
    ];
    if notice.disruption_target {
        let mut disrupted = condition("DisruptionTarget", "True", "TerminationByKubelet");
        disrupted["message"] = json!(notice.message);
        conditions.push(disrupted);
    }
    json!({
        "metadata": { "uid": notice.uid },
        "status": {
            "phase": "Failed",
            "reason": REASON,
            "message": notice.message,
            "conditions": conditions,
        },
    })
}

/// O-9.
fn event(notice: &Notice, node: &Arc<str>) -> Event {
    let at = Some(Time(time(notice)));
    let metadata = ObjectMeta {
        name: Some(event_name(notice)),
        namespace: Some(notice.namespace.to_string()),
        annotations: (!notice.annotations.is_empty()).then(|| notice.annotations.clone()),
        ..ObjectMeta::default()
    };
    Event {
        metadata,
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(notice.namespace.to_string()),
            name: Some(notice.pod.to_string()),
            uid: Some(notice.uid.to_string()),
            ..ObjectReference::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some(REASON.to_owned()),
        message: Some(notice.message.clone()),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: Some(node.to_string()),
        }),
        first_timestamp: at.clone(),
        last_timestamp: at,
        count: Some(1),
        reporting_component: Some(COMPONENT.to_owned()),
        reporting_instance: Some(node.to_string()),
        ..Event::default()
    }
}

/// The same for every try, so that there is one event however often it is tried: a pod is evicted once
/// in its life.
fn event_name(notice: &Notice) -> String {
    let Notice { pod, uid, .. } = notice;
    let room = LONGEST_NAME.saturating_sub(uid.len() + 1);
    // Names are ASCII.
    let pod = pod.get(..room).unwrap_or(pod).trim_end_matches(['.', '-']);
    format!("{pod}.{uid}")
}

fn time(notice: &Notice) -> Timestamp {
    let ms = i64::try_from(notice.at_unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
