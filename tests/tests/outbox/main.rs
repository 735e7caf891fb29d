//! What the cluster is told of evictions, against a real API server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod teller;

use std::{fs, time::Duration};

use evictd::cluster::outbox::{Depth, Entry, Matter, Notice, Outcome, StateDirectory};
use evictd_tests::{
    control_plane::{Account, ControlPlane, Kubelet},
    roster::CART as POD,
};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Api, api::ListParams};

use teller::Teller;

const NODE: &str = "node-a";
const MESSAGE: &str =
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 96Mi. ";

/// Makes the pod and reports that it runs; gives its eviction.
fn evicted(kubelet: &Kubelet) -> Notice {
    let identity = kubelet.create_pod(&POD).unwrap();
    kubelet.report_running(&POD, &identity).unwrap();
    let annotations = [
        ("offending_containers", "app"),
        ("offending_containers_usage", "96Mi"),
        ("starved_resource", "memory"),
    ];
    Notice {
        namespace: POD.namespace.into(),
        pod: POD.name.into(),
        uid: identity.uid.into(),
        cgroup_inode: 7,
        at_unix_ms: 1_700_000_000_000,
        message: MESSAGE.to_owned(),
        annotations: annotations.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        disruption_target: true,
    }
}

/// Events about pods of that namespace with reason `Evicted`.
fn events(plane: &ControlPlane, namespace: &str) -> Vec<Event> {
    let api = Api::<Event>::namespaced(plane.admin().unwrap(), namespace);
    let params = ListParams::default().fields("reason=Evicted");
    plane.wait(api.list(&params)).unwrap().items
}

fn condition<'p>(pod: &'p Pod, kind: &str) -> Option<(&'p str, Option<&'p str>, Option<&'p str>)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let found = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((&found.status, found.reason.as_deref(), found.message.as_deref()))
}

fn assert_told(plane: &ControlPlane, kubelet: &Kubelet, uid: &str) {
    let pod = kubelet.pod(&POD).unwrap().unwrap();
    let status = pod.status.as_ref().unwrap();
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(
        (status.reason.as_deref(), status.message.as_deref()),
        (Some("Evicted"), Some(MESSAGE))
    );
    let disrupted = Some(("True", Some("TerminationByKubelet"), Some(MESSAGE)));
    assert_eq!(condition(&pod, "DisruptionTarget"), disrupted);
    for kind in ["Ready", "ContainersReady"] {
        assert_eq!(condition(&pod, kind), Some(("False", Some("PodFailed"), None)), "{kind}");
    }
    let containers = status.container_statuses.as_ref().unwrap();
    assert!(!containers.is_empty(), "left to the kubelet");

    let events = events(plane, POD.namespace);
    assert_eq!(events.len(), 1, "told once: {events:?}");
    let event = &events[0];
    assert_eq!(
        (event.type_.as_deref(), event.message.as_deref()),
        (Some("Warning"), Some(MESSAGE))
    );
    assert_eq!(event.involved_object.uid.as_deref(), Some(uid));
    let annotations = event.metadata.annotations.as_ref().unwrap();
    assert_eq!(annotations["starved_resource"], "memory");
    assert_eq!(annotations["offending_containers"], "app");
    assert_eq!(annotations["offending_containers_usage"], "96Mi");
}

#[test]
fn an_eviction_is_told_once_however_often_it_is_tried() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let notice = evicted(&kubelet);
    let state = plane.dir().join("state");
    let teller = Teller::start(&state, plane.admin_kubeconfig());
    let accepted = [(Matter::Status, Outcome::Accepted), (Matter::Event, Outcome::Accepted)];
    teller.outbox.put(notice.clone());
    assert_eq!(teller.told(2), accepted);
    assert_told(&plane, &kubelet, &notice.uid);
    let seen = plane.kubectl(&["get", "pod", "-n", POD.namespace, POD.name]).unwrap();
    assert!(seen.contains("Evicted"), "as kubectl shows it: {seen}");

    // The pod is killed again before its end is known on the node.
    teller.outbox.put(notice.clone());
    let again = [(Matter::Status, Outcome::Accepted), (Matter::Event, Outcome::AlreadyTold)];
    assert_eq!(teller.told(2), again);
    drop(teller);

    // evictd died after the answer, before the files were removed.
    let directory = StateDirectory::open(&state.join("outbox")).unwrap();
    for entry in Entry::of(&notice.clone().into()) {
        directory.write(&entry).unwrap();
    }
    let teller = Teller::start(&state, plane.admin_kubeconfig());
    assert_eq!(teller.told(2), again);
    assert_told(&plane, &kubelet, &notice.uid);
}

#[test]
fn who_is_no_more_or_another_is_not_touched() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let notice = evicted(&kubelet);
    // Made anew under the same name.
    kubelet.forget(&POD).unwrap();
    let identity = kubelet.create_pod(&POD).unwrap();
    kubelet.report_running(&POD, &identity).unwrap();
    let before = kubelet.pod(&POD).unwrap().unwrap();

    let state = plane.dir().join("state");
    let teller = Teller::start(&state, plane.admin_kubeconfig());
    teller.outbox.put(notice.clone());
    let expected = [(Matter::Status, Outcome::AnotherPod), (Matter::Event, Outcome::Accepted)];
    assert_eq!(teller.told(2), expected);
    let after = kubelet.pod(&POD).unwrap().unwrap();
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    let events = events(&plane, POD.namespace);
    assert_eq!(
        events[0].involved_object.uid.as_deref(),
        Some(&*notice.uid),
        "of the pod that went"
    );

    let (pod, uid) = ("nobody".into(), "00000000-0000-4000-8000-000000000002".into());
    teller.outbox.put(Notice { pod, uid, ..notice.clone() });
    let expected = [(Matter::Status, Outcome::Gone), (Matter::Event, Outcome::Accepted)];
    assert_eq!(teller.told(2), expected);

    let (namespace, uid) = ("nowhere".into(), "00000000-0000-4000-8000-000000000003".into());
    teller.outbox.put(Notice { namespace, uid, ..notice });
    let expected = [(Matter::Status, Outcome::Gone), (Matter::Event, Outcome::Gone)];
    assert_eq!(teller.told(2), expected);
}

#[test]
fn what_happened_while_the_api_server_was_away_is_told_by_the_next_start() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let notice = evicted(&kubelet);
    let state = plane.dir().join("state");
    let teller = Teller::start(&state, plane.admin_kubeconfig());
    plane.stop_apiserver().unwrap();
    teller.outbox.put(notice.clone());
    let outbox = state.join("outbox");
    common::wait_until("it is on disk", || fs::read_dir(&outbox).unwrap().count() == 2);
    assert_eq!(teller.outbox.told().count(), 0);
    drop(teller);

    let mut teller = Teller::start(&state, plane.admin_kubeconfig());
    assert_eq!(teller.outbox.take_unfinished(), [notice.clone().into()]);
    let Depth { entries, oldest, .. } = teller.outbox.depth();
    assert!(entries == 2 && oldest.is_some_and(|age| age > Duration::from_secs(1)));
    plane.start_apiserver().unwrap();
    let accepted = [(Matter::Status, Outcome::Accepted), (Matter::Event, Outcome::Accepted)];
    assert_eq!(teller.told(2), accepted);
    assert_told(&plane, &kubelet, &notice.uid);
    common::wait_until("nothing is left", || fs::read_dir(&outbox).unwrap().count() == 0);
}

const AGENT: Account<'_> = Account::new("kube-system", "agent");

#[test]
fn what_is_not_allowed_is_told_once_it_is() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    // By a clock that is years ahead; the other notices' is years behind.
    let notice = Notice { at_unix_ms: 4_102_444_800_000, ..evicted(&kubelet) };
    let kubeconfig = plane.kubeconfig_for(AGENT).unwrap();
    let events = r#"{apiGroups: [""], resources: [events], verbs: [create]}"#;
    let status = r#"{apiGroups: [""], resources: [pods/status], verbs: [patch]}"#;
    plane.grant(AGENT, &format!("[{events}]")).unwrap();
    let state = plane.dir().join("state");
    let teller = Teller::start(&state, &kubeconfig);
    teller.outbox.put(notice.clone());
    assert_eq!(teller.told(1), [(Matter::Event, Outcome::Accepted)]);
    assert_eq!(teller.outbox.depth().entries, 1, "the status is kept");
    plane.grant(AGENT, &format!("[{events}, {status}]")).unwrap();
    assert_eq!(teller.told(1), [(Matter::Status, Outcome::Accepted)]);
    assert_told(&plane, &kubelet, &notice.uid);
}
