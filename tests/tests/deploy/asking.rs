//! What an agent may ask of the API server, and what it is told otherwise.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use evictd_tests::control_plane::{ControlPlane, Kubelet};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use crate::cases::cases;

pub const NODE: &str = "node-a";
pub const OTHER: &str = "node-b";

/// Until new policies are in force: the API server learns of them by its own watch.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Kinds of content.
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// Two nodes with pods.
pub struct Served<'a> {
    plane: &'a Arc<ControlPlane>,
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
    pub fn start(plane: &'a Arc<ControlPlane>) -> Result<Self> {
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

    pub fn uid(&self, pod: &str) -> String {
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
    pub fn get(name: &'static str, path: &str, refusal: Option<&'static str>) -> Self {
        let (path, body) = (path.to_owned(), Value::Null);
        Self { name, method: Method::GET, path, content: JSON, body, refusal, is_own_write: false }
    }

    pub fn patch(name: &'static str, path: &str, content: &'static str, body: Value) -> Self {
        let path = path.to_owned();
        Self { method: Method::PATCH, path, content, body, ..Self::get(name, "", None) }
    }

    pub fn create(name: &'static str, path: &str, body: Value) -> Self {
        Self { method: Method::POST, ..Self::patch(name, path, JSON, body) }
    }

    pub fn delete(name: &'static str, path: &str) -> Self {
        Self { method: Method::DELETE, ..Self::get(name, path, None) }
    }

    pub fn own(self) -> Self {
        Self { is_own_write: true, ..self }
    }

    pub fn refused(self, refusal: &'static str) -> Self {
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
