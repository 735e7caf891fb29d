//! The API server as a client in the machine sees it.

use std::{
    path::Path,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{CLUSTER_FILES, KUBECONFIG, NODE};
use crate::{clock::mono_ns, containerd::PAUSE};

const NAMESPACE: &str = "default";
/// Seconds; longer than a run.
const WATCH_S: u32 = 290;

/// A client that may do everything.
pub struct Cluster {
    client: Client,
    runtime: Runtime,
}

impl Cluster {
    /// The API server of [`CLUSTER_FILES`].
    pub fn connect() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let read = Kubeconfig::read_from(Path::new(CLUSTER_FILES).join(KUBECONFIG))?;
        let client = runtime.block_on(async {
            let options = KubeConfigOptions::default();
            anyhow::Ok(Client::try_from(Config::from_custom_kubeconfig(read, &options).await?)?)
        })?;
        Ok(Self { client, runtime })
    }

    /// Whether the kubelet has registered the node.
    pub fn has_node(&self) -> Result<bool> {
        let api = Api::<Node>::all(self.client.clone());
        Ok(self.runtime.block_on(api.get_opt(NODE))?.is_some())
    }

    /// Creates a pod of one container, `evictd-workload ARGUMENTS`, on the node.
    pub fn create(&self, name: &str, arguments: &[&str]) -> Result<Pod> {
        let pod: Pod = serde_json::from_value(manifest(name, arguments))?;
        Ok(self.runtime.block_on(self.pods().create(&PostParams::default(), &pod))?)
    }

    /// The pod as the API server has it.
    pub fn pod(&self, name: &str) -> Result<Pod> {
        Ok(self.runtime.block_on(self.pods().get(name))?)
    }

    /// Takes the pod out of the API at once.
    pub fn remove(&self, name: &str) -> Result<()> {
        let params = DeleteParams::default().grace_period(0);
        self.runtime.block_on(self.pods().delete(name, &params))?;
        Ok(())
    }

    /// Every change of that pod from now on, and when it was heard of. Ends with the receiver.
    pub fn changes(&self, pod: &Pod) -> Result<Receiver<(u64, Pod)>> {
        let (sender, receiver) = mpsc::channel();
        let name = pod.metadata.name.as_deref().context("a pod without name")?;
        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
        let params = params.timeout(WATCH_S);
        let version = pod.metadata.resource_version.clone().context("a pod without version")?;
        let cluster = Self::connect()?;
        thread::spawn(move || {
            let watched: Result<()> = cluster.runtime.block_on(async {
                let mut events = cluster.pods().watch(&params, &version).await?.boxed();
                while let Some(event) = events.try_next().await? {
                    if let WatchEvent::Modified(pod) = event
                        && sender.send((mono_ns(), pod)).is_err()
                    {
                        break;
                    }
                }
                Ok(())
            });
            if let Err(error) = watched {
                eprintln!("watching: {error:#}");
            }
        });
        Ok(receiver)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}

/// Waits a little before the next look.
pub(super) fn rest() {
    thread::sleep(Duration::from_millis(100));
}

fn manifest(name: &str, arguments: &[&str]) -> Value {
    let program = ["/host/evictd-workload"];
    let lifetime = ["--lifetime", "600"];
    let command: Vec<&str> = [&program, arguments, &lifetime[..]].concat();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeName": NODE,
            // There is no network plugin, for which the node is not ready.
            "hostNetwork": true,
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 5,
            "volumes": [{"name": "programs", "hostPath": {"path": "/bin"}}],
            "containers": [{
                "name": "main", "image": PAUSE, "imagePullPolicy": "Never", "command": command,
                "volumeMounts": [{"name": "programs", "mountPath": "/host", "readOnly": true}],
                // The workload makes a PID namespace.
                "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
            }],
        },
    })
}
