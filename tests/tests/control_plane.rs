//! What the API server does that evictd relies on, shown by the API server itself, without evictd.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use evictd_tests::{
    control_plane::{Account, ControlPlane, Kubelet, PodRef},
    roster::CART as POD,
};
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    policy::v1::{Eviction, PodDisruptionBudget},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

const NODE: &str = "node-a";

const AGENT: Account<'_> = Account::new("kube-system", "agent");

/// HTTP status and message of a refusal.
fn refusal<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> (u16, String) {
    let error = answer.unwrap_err();
    let kube::Error::Api(status) = &error else { panic!("not the API server's answer: {error}") };
    (status.code, status.message.clone())
}

fn pods(client: &Client) -> Api<Pod> {
    Api::namespaced(client.clone(), POD.namespace)
}

#[test]
fn an_account_may_do_what_its_role_says_and_is_told_what_it_lacks() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    Kubelet::register(&plane, NODE).unwrap().create_pod(&POD).unwrap();
    let agent = plane.client(&plane.kubeconfig_for(AGENT).unwrap()).unwrap();
    let (params, here) = (ListParams::default(), format!("spec.nodeName={NODE}"));

    let (code, message) = refusal(plane.wait(Api::<Pod>::all(agent.clone()).list(&params)));
    assert_eq!(code, 403);
    let expected = "pods is forbidden: User \"system:serviceaccount:kube-system:agent\" cannot list resource \
                    \"pods\" in API group \"\" at the cluster scope";
    assert_eq!(message, expected);

    plane.grant(AGENT, r#"[{apiGroups: [""], resources: [pods], verbs: [list]}]"#).unwrap();
    let of_node = params.fields(&here);
    let listed = plane.wait(Api::<Pod>::all(agent.clone()).list(&of_node)).unwrap();
    assert_eq!(listed.items.len(), 1);
    let elsewhere = ListParams::default().fields("spec.nodeName=node-b");
    assert_eq!(plane.wait(Api::<Pod>::all(agent.clone()).list(&elsewhere)).unwrap().items.len(), 0);

    let (code, message) = refusal(plane.wait(pods(&agent).get(POD.name)));
    assert_eq!(code, 403);
    assert!(message.contains("cannot get resource \"pods\""), "{message}");
}

#[test]
fn a_token_of_a_pod_names_its_node() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let identity = kubelet.create_pod(&POD).unwrap();
    let pod = PodRef { name: POD.name, uid: &identity.uid };
    let account = Account { namespace: POD.namespace, name: "default", pod: Some(pod) };
    let client = plane.client(&plane.kubeconfig_for(account).unwrap()).unwrap();

    let review = plane.wait(async {
        let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews");
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let request = request.body(review.to_string().into_bytes()).unwrap();
        client.request::<serde_json::Value>(request).await.unwrap()
    });
    let extra = &review["status"]["userInfo"]["extra"];
    assert_eq!(extra["authentication.kubernetes.io/node-name"], json!([NODE]), "{review}");
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], json!([identity.uid]), "{review}");
}

#[test]
fn status_and_conditions_of_others_are_taken_and_a_foreign_uid_is_refused() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let identity = kubelet.create_pod(&POD).unwrap();
    kubelet.report_running(&POD, &identity).unwrap();
    let client = plane.admin().unwrap();
    let params = PatchParams::default();
    let failed = |uid: &str| {
        json!({
            "metadata": {"uid": uid},
            "status": {
                "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
                "conditions": [{
                    "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
                    "message": "The node was low on resource: memory.",
                }],
            },
        })
    };

    let other = failed("9b2b1fd1-0000-4000-8000-000000000000");
    let answer =
        plane.wait(pods(&client).patch_status(POD.name, &params, &Patch::Strategic(other)));
    let (code, message) = refusal(answer);
    assert_eq!(code, 422, "{message}");
    assert!(message.contains("metadata.uid"), "{message}");

    let own = Patch::Strategic(failed(&identity.uid));
    let patched = plane.wait(pods(&client).patch_status(POD.name, &params, &own)).unwrap();
    let status = patched.status.unwrap();
    assert_eq!(
        (status.phase.as_deref(), status.reason.as_deref()),
        (Some("Failed"), Some("Evicted"))
    );
    let types: Vec<_> = status.conditions.iter().flatten().map(|c| &*c.type_).collect();
    assert!(types.contains(&"DisruptionTarget"), "{types:?}");
    assert_eq!(status.container_statuses.iter().flatten().count(), 2, "the rest stays");

    let condition = Patch::Strategic(json!({"status": {"conditions": [
        {"type": "evictd.dev/MemoryPressure", "status": "True", "reason": "Low", "message": ""},
    ]}}));
    let nodes = Api::<Node>::all(client);
    let answer = nodes.patch_status(NODE, &params, &condition);
    let conditions = plane.wait(answer).unwrap().status.unwrap().conditions.unwrap();
    let types: Vec<_> = conditions.iter().map(|c| &*c.type_).collect();
    assert!(types.contains(&"Ready") && types.contains(&"evictd.dev/MemoryPressure"), "{types:?}");
}

/// A budget that covers the pod; its status is written by the test, as there is no controller.
fn budget(plane: &ControlPlane, client: &Client, processed: bool, allowed: i32) {
    let api = Api::<PodDisruptionBudget>::namespaced(client.clone(), POD.namespace);
    let of: PodDisruptionBudget = serde_json::from_value(json!({
        "metadata": {"name": "cart"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "cart"}}},
    }))
    .unwrap();
    if plane.wait(api.get_opt("cart")).unwrap().is_none() {
        plane.wait(api.create(&PostParams::default(), &of)).unwrap();
    }
    let status = json!({"status": {
        "observedGeneration": i32::from(processed), "disruptionsAllowed": allowed,
        "currentHealthy": 1 + allowed, "desiredHealthy": 1, "expectedPods": 1,
    }});
    let patch = Patch::Merge(status);
    plane.wait(api.patch_status("cart", &PatchParams::default(), &patch)).unwrap();
}

fn evict(plane: &ControlPlane, client: &Client, uid: &str) -> Result<(), kube::Error> {
    let options = DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::default().grace_period(5)
    };
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": ObjectMeta { name: Some(POD.name.to_owned()), ..ObjectMeta::default() },
        "deleteOptions": options,
    });
    let eviction: Eviction = serde_json::from_value(eviction).unwrap();
    let (api, params) = (pods(client), PostParams::default());
    let answer: serde_json::Value =
        plane.wait(api.create_subresource("eviction", POD.name, &params, &eviction))?;
    assert_eq!(answer["status"], "Success", "{answer}");
    Ok(())
}

#[test]
fn an_eviction_asks_the_budget_and_the_uid_and_a_failed_pod_asks_nobody() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let client = plane.admin().unwrap();
    let params = PatchParams::default();
    let make = || {
        let identity = kubelet.create_pod(&POD).unwrap();
        kubelet.report_running(&POD, &identity).unwrap();
        let label = Patch::Merge(json!({"metadata": {"labels": {"app": "cart"}}}));
        plane.wait(pods(&client).patch(POD.name, &params, &label)).unwrap();
        let ready = Patch::Strategic(
            json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        );
        plane.wait(pods(&client).patch_status(POD.name, &params, &ready)).unwrap();
        identity.uid
    };
    let uid = make();
    let (code, message) = refusal(evict(&plane, &client, "9b2b1fd1-0000-4000-8000-000000000000"));
    assert_eq!(code, 409, "{message}");

    let refusals = [("not processed", false, 1), ("used up", true, 0)];
    for (name, processed, allowed) in refusals {
        budget(&plane, &client, processed, allowed);
        let (code, message) = refusal(evict(&plane, &client, &uid));
        assert_eq!(code, 429, "{name}: {message}");
    }

    let failed = Patch::Merge(json!({"status": {"phase": "Failed"}}));
    plane.wait(pods(&client).patch_status(POD.name, &params, &failed)).unwrap();
    evict(&plane, &client, &uid).unwrap();
    let pod = kubelet.pod(&POD).unwrap();
    let going = pod.as_ref().and_then(|pod| pod.metadata.deletion_timestamp.as_ref());
    assert!(pod.is_none() || going.is_some(), "it is on its way out: {pod:?}");

    if pod.is_some() {
        kubelet.forget(&POD).unwrap();
    }
    let uid = make();
    budget(&plane, &client, true, 1);
    evict(&plane, &client, &uid).unwrap();
    let pod = kubelet.pod(&POD).unwrap().unwrap();
    assert_eq!(pod.metadata.deletion_grace_period_seconds, Some(5));
}

#[test]
fn the_api_server_comes_and_goes_and_keeps_what_it_knew() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    let identity = kubelet.create_pod(&POD).unwrap();
    for name in ["stopped", "killed"] {
        match name {
            "stopped" => plane.stop_apiserver().unwrap(),
            _ => plane.kill_apiserver().unwrap(),
        }
        assert!(kubelet.pod(&POD).is_err(), "{name}");
        plane.start_apiserver().unwrap();
        let pod = kubelet.pod(&POD).unwrap().unwrap();
        assert_eq!(pod.metadata.uid.as_deref(), Some(&*identity.uid), "{name}");
    }
}

#[test]
fn nothing_is_left_of_a_control_plane() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let dir = plane.dir().to_owned();
    assert!(dir.join("admin.kubeconfig").exists());
    let port = plane.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    drop(plane);
    assert!(!dir.exists());
    std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
}
