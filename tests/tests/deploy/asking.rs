//! What an agent may ask of the API server, and what it is told otherwise.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use evictd_tests::control_plane::{ControlPlane, Kubelet};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

pub const NODE: &str = "node-a";
pub const OTHER: &str = "node-b";

/// Until new policies are in force: the API server learns of them by its own watch.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

const STRATEGIC: &str = "application/strategic-merge-patch+json";
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// Two nodes with pods.
pub struct Served<'a> {
    plane: &'a ControlPlane,
}

/// A request.
pub struct Case {
    pub name: &'static str,
    method: Method,
    path: String,
    content: &'static str,
    body: Value,
    /// A part of the refusal; `None` if it is allowed.
    refusal: Option<&'static str>,
    /// A write that the agent of [`NODE`] needs, to a pod or node.
    pub is_own_write: bool,
}

impl<'a> Served<'a> {
    pub fn start(plane: &'a ControlPlane) -> Result<Self> {
        for node in [NODE, OTHER] {
            Kubelet::register(plane, node)?;
        }
        plane.namespace("shop")?;
        let foreign = json!({"spec": {"taints": [{"key": "theirs", "effect": "NoSchedule"}]}});
        plane.kubectl(&["patch", "node", NODE, "--type=merge", "--patch", &foreign.to_string()])?;
        for (pod, node) in [("killed", NODE), ("asked", NODE), ("third", NODE), ("far", OTHER)] {
            let pod = json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": pod, "namespace": "shop", "labels": {"app": "a"}},
                "spec": {
                    "nodeName": node,
                    "automountServiceAccountToken": false,
                    "containers": [{"name": "app", "image": "app"}],
                },
            });
            let file = plane.dir().join("pod.json");
            fs::write(&file, pod.to_string())?;
            plane.kubectl(&["create", "--filename", &file.display().to_string()])?;
        }
        Ok(Self { plane })
    }

    fn uid(&self, pod: &str) -> String {
        let path = "--output=jsonpath={.metadata.uid}";
        self.plane.kubectl(&["get", "pod", pod, "--namespace=shop", path]).unwrap()
    }

    /// Returns when each policy refuses something.
    pub fn policies_in_force(&self, agent: &Client) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let always = ["a pod's labels", "an eviction without the UID", "a cordon"];
        for case in cases(self).into_iter().filter(|case| always.contains(&case.name)) {
            loop {
                let told = case.ask_only(self.plane, agent);
                if told.as_ref().is_err_and(|told| told.contains("ValidatingAdmissionPolicy")) {
                    break;
                }
                if Instant::now() > deadline {
                    bail!("no policy is in force for {}: {told:?}", case.name);
                }
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }
}

impl Case {
    fn get(name: &'static str, path: &str, refusal: Option<&'static str>) -> Self {
        let (path, body) = (path.to_owned(), Value::Null);
        Self { name, method: Method::GET, path, content: JSON, body, refusal, is_own_write: false }
    }

    fn patch(name: &'static str, path: &str, content: &'static str, body: Value) -> Self {
        let path = path.to_owned();
        Self { method: Method::PATCH, path, content, body, ..Self::get(name, "", None) }
    }

    fn create(name: &'static str, path: &str, body: Value) -> Self {
        Self { method: Method::POST, ..Self::patch(name, path, JSON, body) }
    }

    fn own(self) -> Self {
        Self { is_own_write: true, ..self }
    }

    fn refused(self, refusal: &'static str) -> Self {
        Self { refusal: Some(refusal), ..self }
    }

    /// What the agent is told in mode enforce.
    pub fn enforcing(&self) -> Option<&str> {
        self.refusal
    }

    /// What it is told in mode observe: that its role has no such right.
    pub fn observing(&self) -> Option<&str> {
        if self.method == Method::GET { self.refusal } else { Some(" cannot ") }
    }

    /// What is wrong with the answer, if anything is.
    pub fn wrong_for<'c>(
        &'c self,
        plane: &ControlPlane,
        agent: &Client,
        expected: impl FnOnce(&'c Self) -> Option<&'c str>,
    ) -> Option<String> {
        let told = self.ask(plane, agent, &self.path);
        match (told, expected(self)) {
            (Ok(_), None) => None,
            (Err(told), Some(part)) if told.starts_with("403 ") && told.contains(part) => None,
            (Ok(_), Some(part)) => Some(format!("{}: allowed, not `{part}`", self.name)),
            (Err(told), part) => Some(format!("{}: {told}, not {part:?}", self.name)),
        }
    }

    /// Asks without effect.
    fn ask_only(&self, plane: &ControlPlane, agent: &Client) -> Result<String, String> {
        self.ask(plane, agent, &format!("{}?dryRun=All", self.path))
    }

    fn ask(&self, plane: &ControlPlane, agent: &Client, path: &str) -> Result<String, String> {
        let body =
            if self.body.is_null() { Vec::new() } else { self.body.to_string().into_bytes() };
        let request = Request::builder().method(self.method.clone()).uri(path);
        let request = request.header("Content-Type", self.content).body(body);
        match plane.wait(agent.request_text(request.unwrap())) {
            Ok(text) => Ok(text),
            Err(kube::Error::Api(status)) => Err(format!("{} {}", status.code, status.message)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// All that is asked, in this order: what is allowed has an effect.
pub fn cases(served: &Served<'_>) -> Vec<Case> {
    let mut all = reads();
    all.extend(of_pods());
    all.extend(evictions(served));
    all.extend(of_nodes());
    all
}

fn reads() -> Vec<Case> {
    const RIGHT: Option<&str> = Some(" cannot ");
    vec![
        Case::get("its pods", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-a", None),
        Case::get("its node", "/api/v1/nodes/node-a", None),
        Case::get("secrets", "/api/v1/secrets", RIGHT),
        Case::get("ConfigMaps", "/api/v1/namespaces/evictd-system/configmaps", RIGHT),
        Case::get("nodes", "/api/v1/nodes", RIGHT),
    ]
}

fn status(pod: &str) -> String {
    format!("/api/v1/namespaces/shop/pods/{pod}/status")
}

fn of_pods() -> Vec<Case> {
    let evicted = json!({"status": {
        "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": null}],
    }});
    let with = |pointer: &str, value: Value| {
        let mut changed = evicted.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match parent {
            "" => changed[key] = value,
            parent => changed[&parent[1..]][key] = value,
        }
        changed
    };
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "killed.1", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "killed", "namespace": "shop"},
        "reason": "Evicted", "type": "Warning",
    });
    let third = status("third");
    let whole = "/api/v1/namespaces/shop/pods/third";
    let labels = json!({"metadata": {"labels": {"app": "b"}}});
    vec![
        Case::patch("a pod's status", &status("killed"), STRATEGIC, evicted.clone()).own(),
        Case::patch("a far pod's status", &status("far"), STRATEGIC, evicted.clone())
            .refused("evictd on node-a may not write to a pod on node-b"),
        Case::patch("another phase", &third, STRATEGIC, with("/status/phase", json!("Running")))
            .refused("to Failed with reason Evicted, and to nothing else"),
        Case::patch("another reason", &third, STRATEGIC, with("/status/reason", json!("Gone")))
            .refused("to Failed with reason Evicted, and to nothing else"),
        Case::patch("a pod's address", &third, STRATEGIC, with("/status/podIP", json!("10.0.0.1")))
            .refused("phase, reason, message and conditions"),
        Case::patch(
            "a pod's labels",
            &third,
            STRATEGIC,
            with("/metadata", labels["metadata"].clone()),
        )
        .refused("labels, annotations or finalizers"),
        Case::patch("a pod itself", whole, STRATEGIC, labels).refused(" cannot patch "),
        Case { method: Method::DELETE, ..Case::get("a deletion", whole, Some(" cannot delete ")) },
        Case::create("an event", "/api/v1/namespaces/shop/events", event),
    ]
}

fn evictions(served: &Served<'_>) -> Vec<Case> {
    let eviction = |name: &'static str, pod: &str, uid: Option<String>| {
        let path = format!("/api/v1/namespaces/shop/pods/{pod}/eviction");
        let preconditions = uid.map(|uid| json!({"uid": uid}));
        let options = json!({"gracePeriodSeconds": 0, "preconditions": preconditions});
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod, "namespace": "shop"}, "deleteOptions": options,
        });
        Case::create(name, &path, body)
    };
    let uid = |pod: &str| Some(served.uid(pod));
    vec![
        eviction("an eviction without the UID", "third", None)
            .refused("must have the pod's UID as a precondition"),
        eviction("an eviction with another UID", "third", uid("far"))
            .refused("must have the pod's UID as a precondition"),
        eviction("an eviction of a far pod", "far", uid("far"))
            .refused("evictd on node-a may not evict a pod on node-b"),
        eviction("an eviction", "asked", uid("asked")).own(),
    ]
}

fn of_nodes() -> Vec<Case> {
    const TAINTS: &str = "taints whose key begins with evictd.dev/, and no others";
    const CONDITIONS: &str = "conditions whose type begins with evictd.dev/, and no others";
    const NOTHING: &str = "nothing of a node but its own conditions and taints";
    const FAR: &str = "evictd on node-a may not write to node node-b";
    let taint = |key: &str| json!({"key": key, "effect": "NoSchedule"});
    let taints = |keys: &[&str]| json!({"spec": {"taints": keys.iter().map(|key| taint(key)).collect::<Vec<_>>()}});
    let condition = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status}]}});
    let ready_gone = json!({"status": {"conditions": [{"type": "Ready", "$patch": "delete"}]}});
    let (own, far) = ("/api/v1/nodes/node-a", "/api/v1/nodes/node-b");
    let (status, far_status) = ("/api/v1/nodes/node-a/status", "/api/v1/nodes/node-b/status");
    let (ours, pressure) = ("evictd.dev/memory-pressure", "evictd.dev/MemoryPressure");
    let node = |name, body| Case::patch(name, own, MERGE, body);
    let of_status = |name, body| Case::patch(name, status, STRATEGIC, body);
    vec![
        node("a taint", taints(&["theirs", ours])).own(),
        node("a foreign taint", taints(&["theirs", ours, "another"])).refused(TAINTS),
        node("the loss of a foreign taint", taints(&[ours])).refused(TAINTS),
        node("a taint's end", taints(&["theirs"])).own(),
        Case::patch("a far node's taint", far, MERGE, taints(&[ours])).refused(FAR),
        node("a cordon", json!({"spec": {"unschedulable": true}})).refused(NOTHING),
        node("a node's label", json!({"metadata": {"labels": {"a": "b"}}})).refused(NOTHING),
        node("a node's annotation", json!({"metadata": {"annotations": {"a": "b"}}}))
            .refused(NOTHING),
        of_status("a condition", condition(pressure, "True")).own(),
        of_status("a condition again", condition(pressure, "False")).own(),
        of_status("a foreign condition", condition("Ready", "False")).refused(CONDITIONS),
        of_status("a new foreign condition", condition("Other", "True")).refused(CONDITIONS),
        of_status("the loss of a foreign condition", ready_gone).refused(CONDITIONS),
        of_status("a capacity", json!({"status": {"capacity": {"cpu": "64"}}})).refused(NOTHING),
        Case::patch("a far node's condition", far_status, STRATEGIC, condition(pressure, "True"))
            .refused(FAR),
    ]
}
