//! A fake kubelet: it registers the node, and gives pods of the API processes, cgroups and logs that are
//! real. It never restarts a container and never evicts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    core::v1::{Node as ApiNode, Pod as ApiPod},
    scheduling::v1::PriorityClass,
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{
    ControlPlane,
    accounts::{named, present},
};
use crate::{
    inbox::Inbox,
    manifest::{Identity, PodSpec},
    node::Node,
    pod::Pod,
    runtime::Runtime,
};

/// From this priority on a pod is critical, and its class is one that every cluster has.
const CRITICAL: i32 = 2_000_000_000;
const CRITICAL_CLASS: &str = "system-node-critical";
/// Until admission knows a priority class that was just made.
const ADMISSION_PATIENCE: Duration = Duration::from_secs(10);
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The kubelet of one node of a control plane.
#[derive(Clone, Debug)]
pub struct Kubelet {
    plane: Arc<ControlPlane>,
    node: String,
}

impl Kubelet {
    /// Makes the Node, ready and without taints.
    pub fn register(plane: &Arc<ControlPlane>, node: &str) -> Result<Self> {
        let api = Api::<ApiNode>::all(plane.admin()?);
        let status = json!({"status": {
            "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
                "lastHeartbeatTime": null, "lastTransitionTime": null,
            }],
        }});
        plane.wait(async {
            present(&api, ApiNode { metadata: named(node), ..ApiNode::default() }).await?;
            let params = PatchParams::default();
            api.patch_status(node, &params, &Patch::Strategic(status)).await?;
            // Admission adds one that the node controller takes away when the node is ready.
            let untainted = json!({"spec": {"taints": null}});
            api.patch(node, &params, &Patch::Merge(untainted)).await?;
            anyhow::Ok(())
        })?;
        Ok(Self { plane: Arc::clone(plane), node: node.to_owned() })
    }

    /// Name of its Node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its Node as the API has it.
    pub fn object(&self) -> Result<ApiNode> {
        let api = Api::<ApiNode>::all(self.plane.admin()?);
        Ok(self.plane.wait(api.get(&self.node))?)
    }

    /// Creates the pod on this node at the API, gives it cgroups, logs and processes under the UID that
    /// came back, and reports it as running.
    pub fn start_pod(
        &self,
        spec: &PodSpec,
        node: &Node,
        runtime: &mut Runtime,
        inbox: &mut Inbox,
    ) -> Result<Pod> {
        let identity = self.create_pod(spec)?;
        let pod = Pod::start_as(spec, identity.clone(), node, runtime, inbox)?;
        self.report_running(spec, &identity)?;
        Ok(pod)
    }

    /// Creates the pod on this node at the API. Of a static pod it is the mirror: the UID that the kubelet
    /// goes by is that of the file, not the API's.
    pub fn create_pod(&self, spec: &PodSpec) -> Result<Identity> {
        self.plane.namespace(spec.namespace)?;
        let mut identity = Identity::random()?;
        identity.uid = identity.uid.replace('-', "");
        let pod = self.manifest(spec, &identity)?;
        let client = self.plane.admin()?;
        let made = self.plane.wait(async {
            priority_class(&client, spec.priority).await?;
            create_once_admitted(&Api::namespaced(client, spec.namespace), &pod).await
        });
        let made = made.with_context(|| format!("creating {}", spec.full_name()))?;
        if !spec.is_static {
            identity.uid = made.metadata.uid.context("a pod without UID")?;
        }
        Ok(identity)
    }

    fn manifest(&self, spec: &PodSpec, identity: &Identity) -> Result<ApiPod> {
        let mut pod: ApiPod = serde_saphyr::from_str(&spec.manifest(identity))?;
        (pod.metadata.uid, pod.status) = (None, None);
        if spec.is_static {
            let annotations = pod.metadata.annotations.get_or_insert_default();
            for key in [MIRROR, "kubernetes.io/config.hash"] {
                annotations.insert(key.to_owned(), identity.uid.clone());
            }
        }
        let of = pod.spec.as_mut().context("a pod without spec")?;
        of.node_name = Some(self.node.clone());
        (of.priority, of.priority_class_name) = (None, Some(class_name(spec.priority)));
        Ok(pod)
    }

    /// Writes the status of a pod whose containers run.
    pub fn report_running(&self, spec: &PodSpec, identity: &Identity) -> Result<()> {
        let manifest: ApiPod = serde_saphyr::from_str(&spec.manifest(identity))?;
        let mut status = serde_json::to_value(manifest.status)?;
        for container in status["containerStatuses"].as_array_mut().into_iter().flatten() {
            container["started"] = true.into();
            container["state"] = json!({"running": {"startedAt": null}});
        }
        let api = self.pods(spec.namespace)?;
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({"status": status})));
        let patched = self.plane.wait(api.patch_status(spec.name, &params, &patch));
        patched.with_context(|| format!("status of {}", spec.full_name()))?;
        Ok(())
    }

    /// Writes it over one that says how the pod ended, as a kubelet does that has not heard of it.
    pub fn take_back(&self, spec: &PodSpec, identity: &Identity) -> Result<()> {
        let api = self.pods(spec.namespace)?;
        let unsaid = Patch::Merge(json!({"status": {"reason": null, "message": null}}));
        self.plane.wait(api.patch_status(spec.name, &PatchParams::default(), &unsaid))?;
        self.report_running(spec, identity)
    }

    /// The pod as the API has it.
    pub fn pod(&self, spec: &PodSpec) -> Result<Option<ApiPod>> {
        let api = self.pods(spec.namespace)?;
        Ok(self.plane.wait(api.get_opt(spec.name))?)
    }

    /// Takes the pod out of the API at once, as the kubelet does when its processes are gone.
    pub fn forget(&self, spec: &PodSpec) -> Result<()> {
        let api = self.pods(spec.namespace)?;
        let params = DeleteParams::default().grace_period(0);
        self.plane.wait(api.delete(spec.name, &params))?;
        Ok(())
    }

    fn pods(&self, namespace: &str) -> Result<Api<ApiPod>> {
        Ok(Api::namespaced(self.plane.admin()?, namespace))
    }
}

/// Admission learns of a new class by its own watch.
async fn create_once_admitted(api: &Api<ApiPod>, pod: &ApiPod) -> Result<ApiPod> {
    let deadline = Instant::now() + ADMISSION_PATIENCE;
    loop {
        match api.create(&PostParams::default(), pod).await {
            Err(kube::Error::Api(status))
                if status.message.contains("no PriorityClass") && Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            created => return Ok(created?),
        }
    }
}

/// A pod may not name a priority, only a class that has it.
async fn priority_class(client: &Client, priority: i32) -> Result<()> {
    if priority >= CRITICAL {
        return Ok(());
    }
    let class = PriorityClass {
        metadata: named(&class_name(priority)),
        value: Some(priority),
        ..PriorityClass::default()
    };
    present(&Api::all(client.clone()), class).await
}

fn class_name(priority: i32) -> String {
    match priority {
        CRITICAL.. => CRITICAL_CLASS.to_owned(),
        0.. => format!("priority-{priority}"),
        _ => format!("priority-minus-{}", priority.unsigned_abs()),
    }
}
