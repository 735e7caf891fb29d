//! What is told of an eviction beside the bare message: status, event, annotations (O-1 to O-9).

use crate::{
    ContainerStats, Eviction, EvictionMessage, Format, LimitEviction, PodObservation, Quantity,
    Resource, ResourceList, stats::as_signed,
};

/// What a pod's status and event say of its eviction. The status is phase `Failed`, reason `Evicted`
/// and this message (O-7); the event is a warning with reason `Evicted` and the same message (O-9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvictionReport {
    /// The kubelet's message, each fragment with its closing space.
    pub message: String,
    /// Annotations of the event. Empty for a pod without statistics (E-42) and for one over a limit of
    /// its own.
    pub annotations: Vec<(&'static str, String)>,
    /// The condition `DisruptionTarget=True`, reason `TerminationByKubelet`, with the same message, is
    /// added to the status; not for a pod over a limit of its own (E-31).
    pub disruption_target: bool,
}

/// What is listed of an offender.
struct Offender {
    name: String,
    usage: String,
}

impl EvictionReport {
    /// Of an eviction by threshold of a pod as it was observed. `pod_level_resources`: the feature gate
    /// of that name is on.
    pub fn of_pressure(
        eviction: &Eviction,
        pod: &PodObservation,
        pod_level_resources: bool,
    ) -> Self {
        let mut report = Self {
            message: EvictionMessage(eviction).to_string(),
            disruption_target: true,
            ..Self::default()
        };
        let Some(stats) = pod.stats.as_deref() else {
            return report;
        };
        let resource = eviction.signal.resource();
        if resource == Resource::Memory && pod_level_resources {
            report.name_pod(pod);
        }
        let mut offenders = Vec::new();
        for container in &stats.containers {
            offenders.extend(report.name_container(resource, pod, container));
        }
        let listed =
            |pick: fn(&Offender) -> &str| offenders.iter().map(pick).collect::<Vec<_>>().join(",");
        report.annotations.push(("offending_containers", listed(|o| &o.name)));
        report.annotations.push(("offending_containers_usage", listed(|o| &o.usage)));
        report.annotations.push(("starved_resource", resource.name().to_owned()));
        report
    }

    /// Of an eviction over a limit of local storage (P-5).
    pub fn of_limit(eviction: &LimitEviction) -> Self {
        Self { message: eviction.limit.to_string(), ..Self::default() }
    }

    /// O-3, E-44: a pod with a request of its own is named whether or not it is over it.
    fn name_pod(&mut self, pod: &PodObservation) {
        let pod_level = pod.facts.spec.as_deref().and_then(|spec| spec.pod_level());
        let request = pod_level.and_then(|resources| resources.requests.memory);
        let used = pod.stats.as_deref().and_then(|stats| stats.memory_working_set);
        let (Some(request), Some(used)) = (request, used) else {
            return;
        };
        let name = &pod.facts.name;
        let usage = bytes(used);
        self.message += &format!(
            "Pod {name} was using {usage}, request is {request}, has larger consumption of memory. "
        );
        self.annotations.push(("offending_pod", name.to_string()));
        self.annotations.push(("offending_pod_usage", usage.to_string()));
    }

    /// O-4: a container that uses more than it requests.
    fn name_container(
        &mut self,
        resource: Resource,
        pod: &PodObservation,
        stats: &ContainerStats,
    ) -> Option<Offender> {
        let container = pod.facts.spec.as_deref()?.container(&stats.name)?;
        let request = request(resource, &container.requests);
        let usage = usage(resource, stats).filter(|usage| *usage > request)?;
        let name = &container.name;
        self.message += &format!(
            "Container {name} was using {usage}, request is {request}, \
             has larger consumption of {resource}. "
        );
        Some(Offender { name: name.to_string(), usage: usage.to_string() })
    }
}

const fn bytes(n: u64) -> Quantity {
    Quantity::new(as_signed(n), Format::BinarySi)
}

fn usage(resource: Resource, stats: &ContainerStats) -> Option<Quantity> {
    match resource {
        Resource::Memory => stats.memory_working_set.map(bytes),
        Resource::EphemeralStorage => {
            Some(bytes(stats.rootfs.used?.wrapping_add(stats.logs.used?)))
        }
        Resource::Inodes | Resource::Pids => None,
    }
}

fn request(resource: Resource, requests: &ResourceList) -> Quantity {
    let request = match resource {
        Resource::Memory => requests.memory,
        Resource::EphemeralStorage => requests.ephemeral_storage,
        Resource::Inodes | Resource::Pids => None,
    };
    request.unwrap_or(Quantity::ZERO)
}
