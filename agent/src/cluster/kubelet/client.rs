//! One question to the kubelet.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use http::{Request, Uri};
use kube::{
    Client, Config,
    config::{Cluster, Context, Kubeconfig, NamedCluster, NamedContext},
};
use thiserror::Error;

use super::KubeletArgs;
use crate::cluster::{Connection, error::cause, timeouts};

/// Where it answers, and by whose word it is the kubelet.
#[derive(Clone, Debug)]
pub(super) struct Kubelet {
    url: Uri,
    ca: Option<PathBuf>,
}

/// Why the kubelet does not tell something.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the kubelet at {url} does not tell {path}: {problem}")]
pub(super) struct KubeletError {
    url: String,
    path: &'static str,
    problem: String,
}

impl Kubelet {
    pub(super) fn of(args: &KubeletArgs) -> Option<Self> {
        let url = args.kubelet_url.clone()?;
        Some(Self { url, ca: args.kubelet_ca.clone() })
    }

    /// The body of its answer. `/configz` needs `nodes/configz`, `/pods` needs `nodes/pods`.
    pub(super) async fn get(
        &self,
        connection: &Connection,
        path: &'static str,
    ) -> Result<String, KubeletError> {
        // Not kept: it is asked rarely, and credentials may have been replaced since.
        let client = self.client(connection).map_err(|problem| self.error(path, problem))?;
        let request = Request::get(path).body(Vec::new());
        let request = request.map_err(|e| self.error(path, e.to_string()))?;
        let answer = tokio::time::timeout(timeouts::ANSWER, client.request_text(request)).await;
        let waited = || format!("no answer for {} s", timeouts::ANSWER.as_secs());
        let answer = answer.map_err(|_| self.error(path, waited()))?;
        answer.map_err(|error| self.error(path, explain(path, &error)))
    }

    pub(super) fn error(&self, path: &'static str, problem: String) -> KubeletError {
        let url = self.url.to_string().trim_end_matches('/').to_owned();
        KubeletError { url, path, problem }
    }

    /// As the API server's, but for the address. The kubelet's certificate always has the node's name.
    fn client(&self, connection: &Connection) -> Result<Client, String> {
        let mut config = connection.config().map_err(|e| e.to_string())?;
        config.cluster_url = self.url.clone();
        config.tls_server_name = Some(connection.node.to_string());
        config.proxy_url = None;
        if let Some(file) = &self.ca {
            config.root_cert = Some(
                certificates(file).map_err(|e| format!("--kubelet-ca {}: {e}", file.display()))?,
            );
        }
        Client::try_from(config).map_err(|e| cause(&e))
    }
}

/// Those in a PEM file, DER.
fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let cluster = Cluster {
        server: Some("https://kubelet".to_owned()),
        certificate_authority: Some(file.display().to_string()),
        ..Cluster::default()
    };
    let name = "kubelet".to_owned();
    let context = Context { cluster: name.clone(), ..Context::default() };
    let other = BTreeMap::new();
    let cluster = NamedCluster { name: name.clone(), cluster: Some(cluster), other: other.clone() };
    let written = Kubeconfig {
        clusters: vec![cluster],
        contexts: vec![NamedContext { name: name.clone(), context: Some(context), other }],
        current_context: Some(name),
        ..Kubeconfig::default()
    };
    let config = Config::try_from(written).map_err(|e| cause(&e))?;
    config
        .root_cert
        .filter(|found| !found.is_empty())
        .ok_or_else(|| "no certificate in it".to_owned())
}

/// What is refused, and what would be needed.
fn explain(path: &str, error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else {
        return cause(error);
    };
    let needed = match path {
        "/pods" => "nodes/pods",
        _ => "nodes/configz",
    };
    let said = status.message.lines().next().unwrap_or_default();
    match status.code {
        401 => format!("it does not accept the credentials (401: {said})"),
        403 => {
            format!("it does not allow it (403: {said}); evictd needs the verb `get` on `{needed}`")
        }
        code => format!("it answers {code}: {said}"),
    }
}
