//! A pod's requests, aggregated as ranking wants them.

use std::collections::BTreeMap;

use evictd_core::Quantity;
use k8s_openapi::{
    api::core::v1::{Container, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as WrittenQuantity,
};

/// Requests of the resources that eviction ranks by, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Memory.
    pub memory: u64,
    /// Ephemeral storage.
    pub ephemeral_storage: u64,
}

/// A quantity that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestError {
    pub(super) field: Vec<String>,
    pub(super) problem: String,
}

impl Requests {
    pub(super) fn of(spec: &PodSpec) -> Result<Self, RequestError> {
        // With resources of its own, a pod's containers are not asked.
        if let Some(pod_level) = pod_level(spec) {
            let memory = Resources::new(pod_level, path(&["spec"])).request("memory")?;
            return Ok(Self { memory: memory.map_or(0, bytes), ephemeral_storage: 0 });
        }
        Ok(Self {
            memory: aggregate(spec, "memory")?,
            ephemeral_storage: aggregate(spec, "ephemeral-storage")?,
        })
    }
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

/// max(regular containers + sidecars, any step of the init sequence) + overhead if that is not zero.
fn aggregate(spec: &PodSpec, resource: &str) -> Result<u64, RequestError> {
    let mut regular = 0_u64;
    for resources in Resources::of_containers("containers", &spec.containers) {
        regular = regular.saturating_add(resources.request(resource)?.map_or(0, bytes));
    }
    let (mut sidecars, mut init) = (0_u64, 0_u64);
    let init_containers = spec.init_containers.as_deref().unwrap_or_default();
    for (container, resources) in
        init_containers.iter().zip(Resources::of_containers("initContainers", init_containers))
    {
        let request = resources.request(resource)?.map_or(0, bytes);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.saturating_add(request);
            init = init.max(sidecars);
        } else {
            init = init.max(sidecars.saturating_add(request));
        }
    }
    let sum = regular.saturating_add(sidecars).max(init);
    let overhead = spec.overhead.as_ref().and_then(|o| o.get(resource));
    match overhead {
        Some(overhead) if sum > 0 => {
            let overhead = quantity(overhead, &path(&["spec", "overhead", resource]))?;
            Ok(sum.saturating_add(bytes(overhead)))
        }
        _ => Ok(sum),
    }
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

    /// The limit, if one is written.
    pub(super) fn limit(&self, resource: &str) -> Result<Option<Quantity>, RequestError> {
        self.value("limits", resource)
    }

    /// The request; one that is not written is equal to the limit, as the API server would make it.
    pub(super) fn request(&self, resource: &str) -> Result<Option<Quantity>, RequestError> {
        match self.value("requests", resource)? {
            Some(request) => Ok(Some(request)),
            None => self.limit(resource),
        }
    }

    fn value(&self, list: &str, resource: &str) -> Result<Option<Quantity>, RequestError> {
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

fn quantity(written: &WrittenQuantity, at: &[String]) -> Result<Quantity, RequestError> {
    let error = |problem| RequestError { field: at.to_vec(), problem };
    let quantity = Quantity::parse(&written.0)
        .map_err(|e| error(format!("`{}` is not a quantity: {e}", written.0)))?;
    if quantity.signum() < 0 {
        return Err(error(format!("`{}` must not be negative", written.0)));
    }
    Ok(quantity)
}

fn bytes(quantity: Quantity) -> u64 {
    u64::try_from(quantity.value()).unwrap_or_default()
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&p| p.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MI: u64 = 1 << 20;

    fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
        let map = |list: &[(&str, &str)]| {
            let entries = list.iter().map(|(k, v)| ((*k).into(), WrittenQuantity((*v).into())));
            (!list.is_empty()).then(|| entries.collect())
        };
        ResourceRequirements { requests: map(requests), limits: map(limits), ..Default::default() }
    }

    fn container(memory: &str) -> Container {
        Container { resources: Some(resources(&[("memory", memory)], &[])), ..Default::default() }
    }

    fn sidecar(memory: &str) -> Container {
        Container { restart_policy: Some("Always".into()), ..container(memory) }
    }

    fn spec(containers: Vec<Container>, init: Vec<Container>) -> PodSpec {
        PodSpec { containers, init_containers: Some(init), ..Default::default() }
    }

    #[test]
    fn memory_requests_are_aggregated() {
        let overhead: BTreeMap<_, _> = [("memory".into(), WrittenQuantity("5Mi".into()))].into();
        let cases = [
            ("nothing", spec(vec![Container::default()], vec![]), 0),
            ("sum", spec(vec![container("10Mi"), container("20Mi")], vec![]), 30),
            ("init larger", spec(vec![container("10Mi")], vec![container("50Mi")]), 50),
            (
                "init after a sidecar",
                spec(vec![container("10Mi")], vec![sidecar("5Mi"), container("50Mi")]),
                55,
            ),
            (
                "init before a sidecar",
                spec(vec![container("10Mi")], vec![container("12Mi"), sidecar("5Mi")]),
                15,
            ),
            (
                "limit stands for a missing request",
                spec(
                    vec![Container {
                        resources: Some(resources(&[], &[("memory", "7Mi")])),
                        ..Default::default()
                    }],
                    vec![],
                ),
                7,
            ),
            (
                "overhead",
                PodSpec {
                    overhead: Some(overhead.clone()),
                    ..spec(vec![container("10Mi")], vec![])
                },
                15,
            ),
            (
                "overhead of nothing",
                PodSpec { overhead: Some(overhead), ..spec(vec![Container::default()], vec![]) },
                0,
            ),
            (
                "pod level",
                PodSpec {
                    resources: Some(resources(&[("memory", "3Mi")], &[])),
                    ..spec(vec![container("10Mi")], vec![])
                },
                3,
            ),
        ];
        for (name, spec, expected) in cases {
            assert_eq!(Requests::of(&spec).map(|r| r.memory), Ok(expected * MI), "{name}");
        }
    }

    #[test]
    fn pod_level_resources_leave_no_ephemeral_storage_request() {
        let mut spec = spec(
            vec![Container {
                resources: Some(resources(&[("ephemeral-storage", "1Gi")], &[])),
                ..Default::default()
            }],
            vec![],
        );
        assert_eq!(Requests::of(&spec).map(|r| r.ephemeral_storage), Ok(1024 * MI));
        spec.resources = Some(resources(&[("cpu", "1")], &[]));
        assert_eq!(Requests::of(&spec).map(|r| r.ephemeral_storage), Ok(0));
    }
}
