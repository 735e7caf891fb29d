//! A pod's manifest in detail: what its containers request and may use, and its volumes.

use std::sync::Arc;

use crate::{Quantity, aggregate};

/// Amounts of the resources that eviction looks at; `None` where the manifest says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResourceList {
    /// `memory`
    pub memory: Option<Quantity>,
    /// `ephemeral-storage`
    pub ephemeral_storage: Option<Quantity>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Container {
    /// Its name.
    pub name: Arc<str>,
    /// `resources.requests`
    pub requests: ResourceList,
    /// `resources.limits`
    pub limits: ResourceList,
    /// An init container that goes on running beside the others (`restartPolicy: Always`).
    pub is_sidecar: bool,
}

/// `spec.resources`: requests and limits of the pod as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodLevelResources {
    /// `spec.resources.requests`
    pub requests: ResourceList,
    /// `spec.resources.limits`
    pub limits: ResourceList,
    /// `cpu` or huge pages are among the requests or limits; how much is of no account here.
    pub has_others: bool,
}

/// What a volume is made of, as far as disk accounting tells volumes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum VolumeKind {
    /// `emptyDir` on disk.
    EmptyDir,
    /// `emptyDir` of medium Memory or HugePages.
    EmptyDirInMemory,
    /// `hostPath`, `configMap` or `gitRepo`: on the node's disk as well.
    OtherLocal,
    /// Anything else: not counted against the node's disk.
    Elsewhere,
}

impl VolumeKind {
    /// counted when pods are ranked for disk pressure.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::EmptyDir | Self::OtherLocal)
    }

    /// P-2: may have a size limit, whatever its medium.
    pub const fn is_empty_dir(self) -> bool {
        matches!(self, Self::EmptyDir | Self::EmptyDirInMemory)
    }
}

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Volume {
    /// Its name.
    pub name: Arc<str>,
    /// What it is made of.
    pub kind: VolumeKind,
    /// `emptyDir.sizeLimit`
    pub size_limit: Option<Quantity>,
}

/// The parts of a manifest that [`PodSpec`] is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PodSpecParts {
    /// `spec.containers`
    pub containers: Vec<Container>,
    /// `spec.initContainers`, sidecars among them.
    pub init_containers: Vec<Container>,
    /// `spec.resources`
    pub pod_level: Option<PodLevelResources>,
    /// `spec.overhead`
    pub overhead: ResourceList,
    /// `spec.volumes`
    pub volumes: Vec<Volume>,
}

/// A pod's manifest in detail, with what follows from it worked out once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "PodSpecParts", into = "PodSpecParts"))]
pub struct PodSpec {
    parts: PodSpecParts,
    requests: ResourceList,
    container_requests: ResourceList,
    ephemeral_storage_limit: Option<Quantity>,
    least_size_limit: Option<Quantity>,
    least_container_limit: Option<Quantity>,
}

impl From<PodSpecParts> for PodSpec {
    fn from(parts: PodSpecParts) -> Self {
        Self::new(parts)
    }
}

impl From<PodSpec> for PodSpecParts {
    fn from(spec: PodSpec) -> Self {
        spec.parts
    }
}

impl PodSpec {
    /// Works out requests and limits (P-3).
    pub fn new(parts: PodSpecParts) -> Self {
        let size_limits = parts.volumes.iter().filter(|v| v.kind.is_empty_dir());
        let size_limits = size_limits.filter_map(|v| v.size_limit);
        let container_limits = parts.containers.iter().filter_map(|c| c.limits.ephemeral_storage);
        Self {
            requests: aggregate::kubelet_requests(&parts),
            container_requests: aggregate::container_requests(&parts),
            ephemeral_storage_limit: aggregate::ephemeral_storage_limit(&parts),
            least_size_limit: size_limits.filter(|limit| limit.signum() > 0).min(),
            least_container_limit: container_limits.filter(|limit| !limit.is_zero()).min(),
            parts,
        }
    }

    /// `spec.containers`
    pub fn containers(&self) -> &[Container] {
        &self.parts.containers
    }

    /// The container or init container of that name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        let all = self.parts.containers.iter().chain(&self.parts.init_containers);
        all.into_iter().find(|container| *container.name == *name)
    }

    /// Where that container stands, init containers after the others.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        let all = self.parts.containers.iter().chain(&self.parts.init_containers);
        all.into_iter().position(|container| *container.name == *name)
    }

    /// `spec.resources`
    pub const fn pod_level(&self) -> Option<&PodLevelResources> {
        self.parts.pod_level.as_ref()
    }

    /// `spec.volumes`
    pub fn volumes(&self) -> &[Volume] {
        &self.parts.volumes
    }

    /// what the pod requests, as the kubelet's ranking reckons.
    pub const fn requests(&self) -> &ResourceList {
        &self.requests
    }

    /// What the containers request, and the pod as a whole where it says so: as R-5, but pod-level
    /// resources hide only the resources they name (E-27 fixed).
    pub const fn container_requests(&self) -> &ResourceList {
        &self.container_requests
    }

    /// P-3: the limit of ephemeral storage of the pod as a whole.
    pub const fn ephemeral_storage_limit(&self) -> Option<Quantity> {
        self.ephemeral_storage_limit
    }

    /// The pod limits some local storage of its own (P-2 to P-4), so that its statistics are needed to
    /// hold it to that.
    pub fn limits_storage(&self) -> bool {
        self.least_size_limit.is_some()
            || self.least_container_limit.is_some()
            || self.ephemeral_storage_limit.is_some()
    }

    /// P-2: the least size limit of a volume; no volume that holds less is over its own.
    pub(crate) const fn least_size_limit(&self) -> Option<Quantity> {
        self.least_size_limit
    }

    /// P-4: the least limit of a container; no container that holds less is over its own.
    pub(crate) const fn least_container_limit(&self) -> Option<Quantity> {
        self.least_container_limit
    }
}
