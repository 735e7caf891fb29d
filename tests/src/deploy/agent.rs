//! The account of one agent: a pod as the DaemonSet makes it on a node, and the token of that pod.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::NAMESPACE;
use crate::control_plane::{Account, ControlPlane, PodRef};

/// The agent of one node, as far as the API server knows it.
#[derive(Debug)]
pub struct Agent {
    /// A kubeconfig with the token of its pod, and nothing more.
    pub kubeconfig: PathBuf,
    /// The token, where the kubeconfig has it.
    pub token: PathBuf,
    /// Name and UID of its pod.
    pub pod: (String, String),
}

impl Agent {
    /// Applies the manifests.
    pub fn install(plane: &ControlPlane, manifests: &str) -> Result<()> {
        let file = plane.dir().join("install.yaml");
        fs::write(&file, manifests)?;
        plane.kubectl(&["apply", "--filename", &file.display().to_string()])?;
        // As the controller of quotas does; until then no pod is admitted.
        let counted = json!({"status": {"hard": {"pods": "10000"}, "used": {"pods": "0"}}});
        let quota = ["patch", "quota", "evictd", "--namespace", NAMESPACE];
        let patch = ["--subresource=status", "--type=merge", "--patch", &counted.to_string()];
        plane.kubectl(&[&quota[..], &patch[..]].concat()).map(drop)
    }

    /// Makes the pod of the DaemonSet on `node`, as its controller and the scheduler do.
    pub fn on(plane: &ControlPlane, node: &str) -> Result<Self> {
        let get = ["get", "daemonset", "evictd", "--namespace", NAMESPACE, "--output=json"];
        let set: Value = serde_json::from_str(&plane.kubectl(&get)?)?;
        let template = &set["spec"]["template"];
        let name = format!("evictd-{node}");
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": template["metadata"],
            "spec": template["spec"],
        });
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["namespace"] = json!(NAMESPACE);
        pod["spec"]["nodeName"] = json!(node);
        let file = plane.dir().join(format!("{name}.json"));
        fs::write(&file, pod.to_string())?;
        let create = ["create", "--output=json", "--filename", &file.display().to_string()];
        let made: Value = serde_json::from_str(&plane.kubectl(&create)?)?;
        let uid = made["metadata"]["uid"].as_str().context("a pod without UID")?;
        let pod = (name.clone(), uid.to_owned());
        let account = account(&pod);
        let written = plane.kubeconfig_for(account)?;
        // One each, where several agents are played.
        let [kubeconfig, token] =
            ["kubeconfig", "token"].map(|kind| plane.dir().join(format!("{name}.{kind}")));
        fs::copy(plane.token_file(account), &token)?;
        let text = fs::read_to_string(&written)?;
        let old = plane.token_file(account).display().to_string();
        fs::write(&kubeconfig, text.replace(&old, &token.display().to_string()))?;
        Ok(Self { kubeconfig, token, pod })
    }

    /// Whose token it is.
    pub fn account(&self) -> Account<'_> {
        account(&self.pod)
    }

    /// Takes its pod out of the API, and with it the validity of its token.
    pub fn remove(&self, plane: &ControlPlane) -> Result<()> {
        let delete = ["delete", "pod", &self.pod.0, "--namespace", NAMESPACE, "--force"];
        plane.kubectl(&[&delete[..], &["--grace-period=0"]].concat()).map(drop)
    }
}

fn account(pod: &(String, String)) -> Account<'_> {
    let (name, uid) = pod;
    Account { namespace: NAMESPACE, name: "evictd", pod: Some(PodRef { name, uid }) }
}
