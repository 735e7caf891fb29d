//! kubeconfig files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::authority::Pair;

/// How a client says who it is.
pub(super) enum Credentials<'a> {
    Certificate(&'a Pair),
    /// The file is read again now and then by clients that know how.
    TokenFile(&'a Path),
}

/// Writes `<name>.kubeconfig`; JSON, which is YAML too.
pub(super) fn write(
    dir: &Path,
    name: &str,
    url: &str,
    authority: &Path,
    credentials: &Credentials<'_>,
) -> Result<PathBuf> {
    let user: Value = match credentials {
        Credentials::Certificate(pair) => {
            json!({"client-certificate": pair.certificate, "client-key": pair.key})
        }
        Credentials::TokenFile(path) => json!({"tokenFile": path}),
    };
    let cluster = json!({"server": url, "certificate-authority": authority});
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name}}],
        "current-context": "tests",
    });
    let path = dir.join(format!("{name}.kubeconfig"));
    fs::write(&path, config.to_string()).with_context(|| path.display().to_string())?;
    Ok(path)
}
