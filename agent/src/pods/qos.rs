//! A pod's quality of service class, which names its place in the cgroup tree.

use evictd_core::{Qos, Quantity};
use k8s_openapi::api::core::v1::PodSpec;

use super::resources::{ResourceError, Resources, pod_level};

/// The class, as the kubelet computes it from cpu and memory.
pub(super) fn qos(spec: &PodSpec) -> Result<Qos, ResourceError> {
    let (mut any, mut all_limited) = (false, true);
    let mut judge = |resources: &Resources<'_>| -> Result<(), ResourceError> {
        for resource in ["cpu", "memory"] {
            let request = resources.request(resource)?.filter(|q| q.signum() > 0);
            let limit = resources.limit(resource)?.filter(|q| q.signum() > 0);
            any |= request.is_some() || limit.is_some();
            all_limited &= matches!((request, limit), (Some(r), Some(l)) if same_amount(r, l));
        }
        Ok(())
    };
    if let Some(resources) = pod_level(spec) {
        judge(&Resources::new(resources, vec!["spec".to_owned()]))?;
    } else {
        let init = spec.init_containers.as_deref().unwrap_or_default();
        for resources in Resources::of_containers("containers", &spec.containers)
            .chain(Resources::of_containers("initContainers", init))
        {
            judge(&resources)?;
        }
    }
    Ok(match (any, all_limited) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    })
}

/// `1Gi` and `1073741824` are the same amount; `250m` and `500m` are not, though both round to 1.
fn same_amount(a: Quantity, b: Quantity) -> bool {
    a == b || (a.format() != b.format() && a.value() == b.value())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::core::v1::{Container, ResourceRequirements},
        apimachinery::pkg::api::resource::Quantity as WrittenQuantity,
    };

    use super::*;

    type List = &'static [(&'static str, &'static str)];
    /// Requests and limits of each container.
    type Containers = &'static [(List, List)];

    fn resources(requests: List, limits: List) -> ResourceRequirements {
        let map = |list: List| {
            let entries = list.iter().map(|(k, v)| ((*k).into(), WrittenQuantity((*v).into())));
            Some(entries.collect())
        };
        ResourceRequirements { requests: map(requests), limits: map(limits), ..Default::default() }
    }

    #[test]
    fn classes() {
        const FULL: List = &[("cpu", "500m"), ("memory", "1Gi")];
        let cases: [(&str, Containers, Qos); 8] = [
            ("nothing", &[(&[], &[])], Qos::BestEffort),
            ("zero is nothing", &[(&[("cpu", "0")], &[])], Qos::BestEffort),
            ("other resources", &[(&[("ephemeral-storage", "1Gi")], &[])], Qos::BestEffort),
            ("limits alone", &[(&[], FULL)], Qos::Guaranteed),
            (
                "same amount, other words",
                &[(&[("cpu", "0.5"), ("memory", "1073741824")], FULL)],
                Qos::Guaranteed,
            ),
            ("smaller request", &[(&[("cpu", "250m"), ("memory", "1Gi")], FULL)], Qos::Burstable),
            ("no cpu limit", &[(&[], &[("memory", "1Gi")])], Qos::Burstable),
            ("one container without", &[(FULL, FULL), (&[], &[])], Qos::Burstable),
        ];
        for (name, containers, expected) in cases {
            let containers = containers
                .iter()
                .map(|(requests, limits)| Container {
                    resources: Some(resources(requests, limits)),
                    ..Default::default()
                })
                .collect();
            let mut spec = PodSpec { containers, ..Default::default() };
            assert_eq!(qos(&spec), Ok(expected), "{name}");
            spec.resources = Some(resources(FULL, FULL));
            assert_eq!(qos(&spec), Ok(Qos::Guaranteed), "{name}, but pod-level resources");
        }
    }
}
