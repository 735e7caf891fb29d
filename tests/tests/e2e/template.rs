//! What the DaemonSet says of its container, as the API server has it.

use std::collections::BTreeMap;

use evictd_tests::{control_plane::ControlPlane, deploy::NAMESPACE};
use serde_json::Value;

use crate::scene::NODE;

/// Of the one container.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) args: Vec<String>,
    /// Without what the kubelet adds.
    pub(crate) env: Vec<(String, String)>,
    /// Where volumes are mounted, by the volume's name.
    pub(crate) mounts: BTreeMap<String, String>,
    /// The files of the ConfigMap.
    pub(crate) config: BTreeMap<String, String>,
    /// Port and paths of the probes.
    pub(crate) probes: Vec<(u16, String)>,
}

impl Template {
    /// As the DaemonSet of the agents has it now.
    pub(crate) fn of(plane: &ControlPlane) -> Self {
        let get = |kind: &str| -> Value {
            let get = ["get", kind, "evictd", "--namespace", NAMESPACE, "--output=json"];
            serde_json::from_str(&plane.kubectl(&get).unwrap()).unwrap()
        };
        let (set, config) = (get("daemonset"), get("configmap"));
        let container = &set["spec"]["template"]["spec"]["containers"][0];
        let list = |of: &str| container[of].as_array().cloned().unwrap_or_default();
        let mounts = list("volumeMounts").into_iter();
        let files = config["data"].as_object().unwrap().iter();
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].into_iter();
        Self {
            args: list("args").iter().map(text).collect(),
            env: list("env").iter().map(variable).collect(),
            mounts: mounts.map(|at| (text(&at["name"]), text(&at["mountPath"]))).collect(),
            config: files.map(|(name, content)| (name.clone(), text(content))).collect(),
            probes: probes.filter_map(|probe| http_get(container, probe)).collect(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// As the kubelet of [`NODE`] fills it in.
fn variable(entry: &Value) -> (String, String) {
    let value = match (&entry["value"], entry.pointer("/valueFrom/fieldRef/fieldPath")) {
        (Value::String(value), None) => value.clone(),
        (Value::Null, Some(path)) if path == "spec.nodeName" => NODE.to_owned(),
        _ => panic!("{entry} is not known here"),
    };
    (text(&entry["name"]), value)
}

/// Port, by name or number, and path of a probe; `None` where there is no such probe.
fn http_get(container: &Value, probe: &str) -> Option<(u16, String)> {
    let get = container.pointer(&format!("/{probe}/httpGet"))?;
    let mut ports = container["ports"].as_array()?.iter();
    let number = match get["port"].as_str() {
        Some(name) => &ports.find(|port| port["name"] == *name)?["containerPort"],
        None => &get["port"],
    };
    Some((u16::try_from(number.as_u64()?).ok()?, text(&get["path"])))
}
