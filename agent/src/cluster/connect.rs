//! A client that stays the same while what it is made from changes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, client::Body};
use tower::{BoxError, service_fn};

use super::{
    Attempt, ClusterArgs, ConnectError,
    access::{Access, Opened},
    timeouts,
};

/// The cluster that this node belongs to. A clone is the same connection.
#[derive(Clone)]
pub struct Connection {
    /// Asks the API server. It can always be called: while a kubeconfig cannot be used, calls fail with
    /// that error; when kubeconfig, certificates or token are written anew, or the API server refuses
    /// what it was told (401), they are read again. Connecting and the beginning of an answer are waited
    /// for [at most 15 s](timeouts), each further piece 90 s. Nothing is retried.
    pub client: Client,
    /// This node's name.
    pub node: Arc<str>,
    door: Arc<Door>,
}

impl Connection {
    /// Makes the client; asks nobody. To be called within a runtime.
    ///
    /// # Errors
    /// [`ConnectError::NodeName`]; all else is told by the first call.
    pub fn open(args: &ClusterArgs) -> Result<Self, ConnectError> {
        let node = node_name(args)?;
        let door = Arc::new(Door { access: Access::of(args), opened: Mutex::default() });
        let behind = door.clone();
        let service = service_fn(move |request| {
            let door = behind.clone();
            async move { door.send(request).await }
        });
        Ok(Self { client: Client::new(service, "default"), node, door })
    }

    /// A connection whose API server is `client`.
    #[cfg(test)]
    pub(super) fn to(client: Client, node: &str) -> Self {
        let door = Door { access: Access::InCluster, opened: Mutex::default() };
        Self { client, node: node.into(), door: Arc::new(door) }
    }

    /// What the error of a call means.
    pub fn explain(&self, tried: Attempt, error: &kube::Error) -> ConnectError {
        ConnectError::of(&self.server(), tried, error)
    }

    /// Address of the API server; where it is written while that cannot be read.
    pub fn server(&self) -> String {
        let opened = self.door.opened();
        opened.as_ref().map_or_else(|| self.door.access.name(), |opened| opened.server.clone())
    }

    /// Address and credentials as they are written now.
    pub(super) fn config(&self) -> Result<kube::Config, ConnectError> {
        self.door.access.config()
    }

    /// Whether the API server knows this node: address, CA, credentials and name are right then.
    ///
    /// # Errors
    /// Which of them is not.
    pub async fn check(&self) -> Result<Node, ConnectError> {
        let tried = Attempt { verb: "get", resource: "nodes" };
        let nodes = Api::<Node>::all(self.client.clone());
        nodes.get(&self.node).await.map_err(|error| {
            let error = self.explain(tried, &error);
            if let ConnectError::Refused { server, code: 404, .. } = error {
                return ConnectError::NodeNotFound { server, node: self.node.to_string() };
            }
            error
        })
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Through which all calls go.
struct Door {
    access: Access,
    /// Never held across an await.
    opened: Mutex<Option<Opened>>,
}

impl Door {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let client = self.client()?;
        let answer = tokio::time::timeout(timeouts::ANSWER, client.send(request));
        let response = answer.await.map_err(|_| waited(timeouts::ANSWER))??;
        if response.status() == StatusCode::UNAUTHORIZED {
            // A token may have been replaced: read anew for the next call.
            *self.opened() = None;
        }
        Ok(response)
    }

    fn client(&self) -> Result<Client, ConnectError> {
        let mut opened = self.opened();
        if let Some(current) = opened.as_ref().filter(|opened| opened.is_current()) {
            return Ok(current.client.clone());
        }
        // A file that is being written may be no kubeconfig for a moment: nothing is kept of it.
        *opened = None;
        let fresh = self.access.open()?;
        let client = fresh.client.clone();
        *opened = Some(fresh);
        Ok(client)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`ConnectError::of`] fills in what was waited for.
fn waited(time: Duration) -> ConnectError {
    let tried = Attempt { verb: "", resource: "" };
    ConnectError::TimedOut { server: String::new(), tried, seconds: time.as_secs() }
}

/// As given, else the host name in lower case, as the kubelet registers itself.
fn node_name(args: &ClusterArgs) -> Result<Arc<str>, ConnectError> {
    let name = match &args.node_name {
        Some(name) => name.trim().to_owned(),
        None => rustix::system::uname().nodename().to_string_lossy().trim().to_lowercase(),
    };
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if name.is_empty() {
        return Err(ConnectError::NodeName { problem: "is empty".to_owned() });
    }
    if !name.chars().all(is_allowed) {
        let problem = format!("`{name}` is none: allowed are small letters, digits, `-` and `.`");
        return Err(ConnectError::NodeName { problem });
    }
    Ok(name.into())
}
