//! Requests and limits as a pod's manifest writes them, with the place of each.

use std::collections::BTreeMap;

use evictd_core::{Quantity, ResourceList};
use k8s_openapi::{
    api::core::v1::{Container, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as WrittenQuantity,
};

/// A quantity that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResourceError {
    pub(super) field: Vec<String>,
    pub(super) problem: String,
}

/// The pod-level resources, if they say anything that counts.
pub(super) fn pod_level(spec: &PodSpec) -> Option<&ResourceRequirements> {
    let counts = |list: &Option<BTreeMap<String, WrittenQuantity>>| {
        list.as_ref().is_some_and(|map| {
            map.keys().any(|k| k == "cpu" || k == "memory" || k.starts_with("hugepages-"))
        })
    };
    spec.resources.as_ref().filter(|r| counts(&r.requests) || counts(&r.limits))
}

/// The resources of one container (or of the pod) and where they are written.
pub(super) struct Resources<'a> {
    written: Option<&'a ResourceRequirements>,
    path: Vec<String>,
}

impl<'a> Resources<'a> {
    pub(super) const fn new(written: &'a ResourceRequirements, path: Vec<String>) -> Self {
        Self { written: Some(written), path }
    }

    pub(super) fn of_containers(
        list: &'static str,
        containers: &'a [Container],
    ) -> impl Iterator<Item = Self> {
        containers.iter().enumerate().map(move |(i, c)| Self {
            written: c.resources.as_ref(),
            path: path(&["spec", list, &i.to_string()]),
        })
    }

    /// Requests of what eviction looks at; one that is not written is equal to the limit.
    pub(super) fn requests(&self) -> Result<ResourceList, ResourceError> {
        Ok(ResourceList {
            memory: self.request("memory")?,
            ephemeral_storage: self.request("ephemeral-storage")?,
        })
    }

    /// Limits of the same.
    pub(super) fn limits(&self) -> Result<ResourceList, ResourceError> {
        Ok(ResourceList {
            memory: self.limit("memory")?,
            ephemeral_storage: self.limit("ephemeral-storage")?,
        })
    }

    /// The limit, if one is written.
    pub(super) fn limit(&self, resource: &str) -> Result<Option<Quantity>, ResourceError> {
        self.value("limits", resource)
    }

    /// The request; one that is not written is equal to the limit, as the API server would make it.
    pub(super) fn request(&self, resource: &str) -> Result<Option<Quantity>, ResourceError> {
        match self.value("requests", resource)? {
            Some(request) => Ok(Some(request)),
            None => self.limit(resource),
        }
    }

    fn value(&self, list: &str, resource: &str) -> Result<Option<Quantity>, ResourceError> {
        let Some(written) = self.written else {
            return Ok(None);
        };
        let map = if list == "limits" { &written.limits } else { &written.requests };
        let Some(written) = map.as_ref().and_then(|m| m.get(resource)) else {
            return Ok(None);
        };
        let mut at = self.path.clone();
        at.extend(path(&["resources", list, resource]));
        quantity(written, &at).map(Some)
    }
}

/// A quantity, which may not be negative; `at` is where it is written.
pub(super) fn quantity(
    written: &WrittenQuantity,
    at: &[String],
) -> Result<Quantity, ResourceError> {
    let error = |problem| ResourceError { field: at.to_vec(), problem };
    let quantity = Quantity::parse(&written.0)
        .map_err(|e| error(format!("`{}` is not a quantity: {e}", written.0)))?;
    if quantity.signum() < 0 {
        return Err(error(format!("`{}` must not be negative", written.0)));
    }
    Ok(quantity)
}

pub(super) fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&p| p.to_owned()).collect()
}
