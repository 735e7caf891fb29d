//! What a pod requests and may use as a whole, from its containers (R-5, P-3).

use crate::{Quantity, ResourceList, spec::PodLevelResources, spec::PodSpecParts};

/// Which of a container's two lists.
#[derive(Clone, Copy)]
enum Side {
    Requests,
    Limits,
}

type Pick = fn(&ResourceList) -> Option<Quantity>;

const MEMORY: Pick = |list| list.memory;
const EPHEMERAL_STORAGE: Pick = |list| list.ephemeral_storage;

/// E-27: with pod-level resources the containers are not asked at all, and of the pod-level
/// resources only memory counts here.
pub(crate) fn kubelet_requests(parts: &PodSpecParts) -> ResourceList {
    let of = |pick| {
        let sum = sum_or_greatest_init(parts, Side::Requests, pick);
        sum.map(|sum| with_overhead(sum, pick(&parts.overhead)))
    };
    match &parts.pod_level {
        Some(pod) if is_set(pod) => ResourceList {
            memory: pod
                .requests
                .memory
                .map(|request| with_overhead(request, parts.overhead.memory)),
            ephemeral_storage: None,
        },
        _ => ResourceList { memory: of(MEMORY), ephemeral_storage: of(EPHEMERAL_STORAGE) },
    }
}

/// As [`kubelet_requests`], but pod-level resources replace only what they name. So does the kubelet
/// with the feature gate PodLevelResources off.
pub(crate) fn container_requests(parts: &PodSpecParts) -> ResourceList {
    let pod_level = parts.pod_level.and_then(|pod| pod.requests.memory);
    let of = |pick, instead: Option<Quantity>| {
        let sum = instead.or_else(|| sum_or_greatest_init(parts, Side::Requests, pick));
        sum.map(|sum| with_overhead(sum, pick(&parts.overhead)))
    };
    ResourceList { memory: of(MEMORY, pod_level), ephemeral_storage: of(EPHEMERAL_STORAGE, None) }
}

/// P-3: the sum over the containers that have a limit, one that has none adding nothing (E-29).
/// Pod-level limits know no ephemeral storage.
pub(crate) fn ephemeral_storage_limit(parts: &PodSpecParts) -> Option<Quantity> {
    let sum = sum_or_greatest_init(parts, Side::Limits, EPHEMERAL_STORAGE);
    sum.map(|sum| with_overhead(sum, parts.overhead.ephemeral_storage))
}

/// The pod-level resources name something that is allowed there.
const fn is_set(pod: &PodLevelResources) -> bool {
    pod.has_others || pod.requests.memory.is_some() || pod.limits.memory.is_some()
}

/// Containers and sidecars run side by side; before them each init container runs beside the sidecars
/// that were started before it. `None` when nobody names the resource.
fn sum_or_greatest_init(parts: &PodSpecParts, side: Side, pick: Pick) -> Option<Quantity> {
    let mut together = None;
    for container in &parts.containers {
        let list = side.of(&container.requests, &container.limits);
        together = sum(together, pick(list));
    }
    let mut sidecars = None;
    let mut greatest_init = None;
    for container in &parts.init_containers {
        let amount = pick(side.of(&container.requests, &container.limits));
        let beside = if container.is_sidecar {
            together = sum(together, amount);
            sidecars = sum(sidecars, amount);
            sidecars
        } else {
            sum(amount, sidecars)
        };
        greatest_init = greater(greatest_init, beside);
    }
    greater(together, greatest_init)
}

impl Side {
    const fn of<'a>(
        self,
        requests: &'a ResourceList,
        limits: &'a ResourceList,
    ) -> &'a ResourceList {
        match self {
            Self::Requests => requests,
            Self::Limits => limits,
        }
    }
}

fn sum(a: Option<Quantity>, b: Option<Quantity>) -> Option<Quantity> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.plus(b)),
        (one, other) => one.or(other),
    }
}

fn greater(a: Option<Quantity>, b: Option<Quantity>) -> Option<Quantity> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b > a { b } else { a }),
        (one, other) => one.or(other),
    }
}

/// What running the pod costs beside its containers counts only on top of something.
fn with_overhead(amount: Quantity, overhead: Option<Quantity>) -> Quantity {
    match overhead {
        Some(overhead) if !amount.is_zero() => amount.plus(overhead),
        _ => amount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Container, Format};

    fn gib(n: i64) -> ResourceList {
        ResourceList {
            memory: Some(Quantity::new(n, Format::BinarySi)),
            ephemeral_storage: Some(Quantity::new(n, Format::BinarySi)),
        }
    }

    fn container(requests: ResourceList, is_sidecar: bool) -> Container {
        Container { name: "c".into(), requests, limits: requests, is_sidecar }
    }

    #[test]
    fn requests_are_summed_as_containers_run() {
        let none = ResourceList::default();
        type Case<'a> = (&'a str, &'a [i64], &'a [(i64, bool)], ResourceList, i64);
        let cases: [Case<'_>; 6] = [
            ("containers add up", &[1, 2], &[], none, 3),
            ("a greater init container", &[1, 2], &[(5, false)], none, 5),
            ("a smaller init container", &[1, 2], &[(2, false)], none, 3),
            ("a sidecar adds", &[1, 2], &[(4, true)], none, 7),
            ("an init container after a sidecar", &[1], &[(4, true), (3, false)], none, 7),
            ("overhead on top", &[1], &[], gib(10), 11),
        ];
        for (name, containers, init, overhead, sum) in cases {
            let parts = PodSpecParts {
                containers: containers.iter().map(|n| container(gib(*n), false)).collect(),
                init_containers: init.iter().map(|(n, s)| container(gib(*n), *s)).collect(),
                overhead,
                ..PodSpecParts::default()
            };
            let requests = kubelet_requests(&parts);
            assert_eq!(requests, gib(sum), "{name}");
            assert_eq!(container_requests(&parts), gib(sum), "{name}");
            assert_eq!(ephemeral_storage_limit(&parts), gib(sum).ephemeral_storage, "{name}");
        }
    }

    #[test]
    fn overhead_of_nothing_is_nothing() {
        let parts = PodSpecParts {
            containers: vec![container(gib(0), false), container(ResourceList::default(), false)],
            overhead: gib(10),
            ..PodSpecParts::default()
        };
        assert_eq!(kubelet_requests(&parts), gib(0));
    }

    #[test]
    fn pod_level_resources_hide_the_containers_from_the_kubelet() {
        let parts = PodSpecParts {
            containers: vec![container(gib(1), false)],
            pod_level: Some(PodLevelResources {
                requests: ResourceList { ephemeral_storage: None, ..gib(5) },
                ..PodLevelResources::default()
            }),
            ..PodSpecParts::default()
        };
        let kubelet = ResourceList { ephemeral_storage: None, ..gib(5) };
        assert_eq!(kubelet_requests(&parts), kubelet);
        let fixed = ResourceList { ephemeral_storage: gib(1).ephemeral_storage, ..gib(5) };
        assert_eq!(container_requests(&parts), fixed);
    }
}
