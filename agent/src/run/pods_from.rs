//! Where the pods come from, as records tell it.

use serde::Serialize;

use crate::{
    cluster::pods::PodsKnown,
    pods::{PodIndex, PodSource},
};

/// See [`Started::pods_from`](super::record::Started::pods_from).
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PodsFrom {
    /// `manifests` or `api`; `none` where only cgroups are looked at.
    pub source: &'static str,
    /// Of the API: `waiting` for its first answer; `unknown`, `known`; `stale`, known from before it was
    /// lost; `kubelet`, as the kubelet has them meanwhile; `remembered`, as an earlier evictd knew them. Pods of which there is only a cgroup are named and never evicted, in any of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<&'static str>,
    /// Pods that it names.
    pub listed: usize,
    /// Pods of which there is only a cgroup.
    pub unlisted: usize,
    /// Why the API server does not tell them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl PodsFrom {
    /// As `index` has them.
    pub fn of(index: &PodIndex) -> Self {
        let listed = index.iter().filter(|pod| pod.record().is_listed).count();
        let known = index.source().told().map(|told| &told.known);
        Self {
            source: match index.source() {
                PodSource::Manifests(_) => "manifests",
                PodSource::Api(_) => "api",
                PodSource::Nowhere => "none",
            },
            api: known.map(PodsKnown::name),
            listed,
            unlisted: index.len() - listed,
            error: known.and_then(PodsKnown::error).map(ToString::to_string),
        }
    }
}
