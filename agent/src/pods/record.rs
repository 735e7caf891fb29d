//! What a pod object says, as far as evictd uses it; the same from a manifest and from the API.

use std::{collections::BTreeMap, sync::Arc};

use evictd_core::{PodFacts, PodRef, PodSpec, Qos, Quantity};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{qos::qos, resources::ResourceError, spec};

pub(super) const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
pub(super) const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRecord {
    /// `metadata.uid`; of a mirror pod that of the static pod it stands for, which its cgroup and
    /// directories are named after.
    pub uid: Arc<str>,
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `spec.priority`; absent is 0.
    pub priority: i32,
    /// Static or mirror pod (K-7).
    pub is_static: bool,
    /// Quality of service class.
    pub qos: Qos,
    /// Containers, requests, limits and volumes.
    pub spec: Arc<PodSpec>,
    /// `spec.terminationGracePeriodSeconds`.
    pub termination_grace_seconds: Option<u64>,
    /// Container id, without the runtime's scheme, to the container's name (`status`).
    pub container_names: BTreeMap<String, String>,
    /// False for a pod of which only the cgroup is known: its priority and requests are not, so it is
    /// never evicted.
    pub is_listed: bool,
}

/// A field that a pod must not lack, or must not have that way.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Path of the field.
    pub field: Vec<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl RecordError {
    fn new(path: &[&str], problem: impl Into<String>) -> Self {
        let field = path.iter().map(|&p| p.to_owned()).collect();
        Self { field, problem: problem.into() }
    }
}

impl From<ResourceError> for RecordError {
    fn from(e: ResourceError) -> Self {
        Self { field: e.field, problem: e.problem }
    }
}

impl PodRecord {
    /// Reads a pod object. `None` if the pod has ended: it uses nothing.
    pub fn of(pod: &Pod) -> Result<Option<Self>, RecordError> {
        let meta = &pod.metadata;
        let uid = identifier(
            "uid",
            meta.uid.as_deref(),
            "add the uid that names the pod's cgroup (kubepods/…/pod<uid>); \
             `kubectl get pod -o yaml` prints it",
        )?;
        let uid = mirrored(meta).unwrap_or(uid);
        let name = identifier("name", meta.name.as_deref(), "add the pod's name")?;
        let namespace =
            identifier("namespace", Some(meta.namespace.as_deref().unwrap_or("default")), "")?;
        let Some(spec) = &pod.spec else {
            return Err(RecordError::new(&["spec"], "is required"));
        };
        let grace = spec.termination_grace_period_seconds.map(u64::try_from).transpose();
        let termination_grace_seconds = grace.map_err(|_| {
            RecordError::new(&["spec", "terminationGracePeriodSeconds"], "must not be negative")
        })?;
        let record = Self {
            uid,
            namespace,
            name,
            priority: spec.priority.unwrap_or_default(),
            is_static: is_static(meta),
            qos: qos(spec)?,
            spec: Arc::new(spec::pod_spec(spec)?),
            termination_grace_seconds,
            container_names: container_names(pod),
            is_listed: true,
        };
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        Ok((!matches!(phase, Some("Succeeded" | "Failed"))).then_some(record))
    }

    /// The facts evaluation uses, once the cgroup is known.
    pub fn facts(&self, cgroup_inode: u64, protected: bool) -> PodFacts {
        // Pod-level resources do not hide the containers' requests of disk (E-27); kubelet semantics go
        // by the spec instead.
        let requests = self.spec.container_requests();
        PodFacts {
            id: PodRef { uid: self.uid.clone(), cgroup_inode },
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            priority: self.priority,
            is_static: self.is_static,
            protected: protected || !self.is_listed,
            qos: self.qos,
            memory_request: bytes(requests.memory),
            ephemeral_storage_request: bytes(requests.ephemeral_storage),
            termination_grace_seconds: self.termination_grace_seconds,
            spec: Some(self.spec.clone()),
        }
    }
}

/// A name that becomes part of a path, so it must not lead elsewhere.
fn identifier(
    field: &str,
    value: Option<&str>,
    when_missing: &str,
) -> Result<Arc<str>, RecordError> {
    let path = ["metadata", field];
    match value {
        None | Some("") => Err(RecordError::new(&path, format!("is required: {when_missing}"))),
        Some(value) if is_path_component(value) => Ok(value.into()),
        Some(value) => Err(RecordError::new(
            &path,
            format!("`{value}` cannot be part of a path; use letters, digits, `-` and `.`"),
        )),
    }
}

pub(super) fn is_path_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0', '_'])
}

/// `containerd://0123…` in the status of a container tells which cgroup is its own.
fn container_names(pod: &Pod) -> BTreeMap<String, String> {
    let Some(status) = &pod.status else {
        return BTreeMap::new();
    };
    [&status.container_statuses, &status.init_container_statuses]
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|container| {
            let (_, id) = container.container_id.as_deref()?.split_once("://")?;
            Some((id.to_owned(), container.name.clone()))
        })
        .collect()
}

/// The UID of the static pod that a mirror pod stands for.
fn mirrored(meta: &ObjectMeta) -> Option<Arc<str>> {
    let uid = meta.annotations.as_ref()?.get(CONFIG_MIRROR)?;
    is_path_component(uid).then(|| uid.as_str().into())
}

fn is_static(meta: &ObjectMeta) -> bool {
    let annotation = |key| meta.annotations.as_ref().and_then(|a: &BTreeMap<_, String>| a.get(key));
    annotation(CONFIG_SOURCE).is_some_and(|source| source != "api")
        || annotation(CONFIG_MIRROR).is_some()
}

/// A request in whole bytes, rounded up.
fn bytes(request: Option<Quantity>) -> u64 {
    request.and_then(|request| u64::try_from(request.value()).ok()).unwrap_or_default()
}
