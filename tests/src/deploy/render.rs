//! Manifests out of kustomize and Helm, and as the API server takes them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Deserializer, Value};

use super::{NAMESPACE, directory};
use crate::control_plane::ControlPlane;

/// Names the program that renders the chart; `cargo xtask` sets it.
pub const HELM: &str = "EVICTD_HELM";
/// What the chart is rendered for: a Helm that was built from its module knows no version.
const KUBERNETES: &str = "1.36.2";

/// The manifests of an overlay with some of the components, YAML.
pub fn overlay(plane: &ControlPlane, overlay: &str, components: &[&str]) -> Result<String> {
    let path = |kind: &str, name: &str| -> Result<PathBuf> {
        let path = directory().join("kustomize").join(kind).join(name);
        path.canonicalize().with_context(|| path.display().to_string())
    };
    let own = plane.dir().join("kustomize");
    fs::create_dir_all(&own)?;
    let mut text = format!("resources: [{}]\n", relative(&own, &path("overlays", overlay)?));
    for component in components {
        let header = if text.contains("components:") { "" } else { "components:\n" };
        let component = relative(&own, &path("components", component)?);
        text.push_str(&format!("{header}- {component}\n"));
    }
    fs::write(own.join("kustomization.yaml"), text)?;
    plane.kubectl(&["kustomize", &own.display().to_string()])
}

/// kustomize takes relative paths only; `from` is canonical but for links on its way.
fn relative(from: &Path, to: &Path) -> String {
    let from = from.canonicalize().unwrap_or_else(|_| from.to_owned());
    let up = from.components().skip(1).map(|_| "../").collect::<String>();
    format!("{up}{}", to.strip_prefix("/").unwrap_or(to).display())
}

/// The manifests of the chart with these values (`KEY=VALUE`), YAML; what Helm says where it refuses them.
pub fn chart(values: &[&str]) -> Result<String> {
    let helm = env::var_os(HELM).with_context(|| {
        format!("{HELM} is not set (the program helm; `cargo xtask deploy-check` builds it)")
    })?;
    let mut command = Command::new(helm);
    command.args(["template", "evictd"]).arg(directory().join("helm/evictd"));
    command.args(["--namespace", NAMESPACE, "--kube-version", KUBERNETES]);
    command.args(values.iter().flat_map(|value| ["--set", value]));
    let output = command.output().context("starting helm")?;
    if !output.status.success() {
        bail!("helm: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The objects as the API server would keep them: with its defaults, by kind and name. Nothing is kept. Fields
/// it does not know and warnings of any sort are errors.
pub fn taken(plane: &ControlPlane, manifests: &str) -> Result<Vec<(String, Value)>> {
    let file = plane.dir().join("manifests.yaml");
    fs::write(&file, manifests)?;
    let file = file.display().to_string();
    let create = ["create", "--dry-run=server", "--validate=strict", "--warnings-as-errors"];
    let told = plane.kubectl(&[&create[..], &["--output=json", "--filename", &file]].concat())?;
    let mut objects = Vec::new();
    for object in Deserializer::from_str(&told).into_iter::<Value>() {
        let object = object?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        objects.push((format!("{} {name}", object["kind"].as_str().unwrap_or_default()), object));
    }
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(objects)
}
