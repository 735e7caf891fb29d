//! Recorded pods and their statistics as the evaluator takes them.

use std::sync::Arc;

use evictd_core::{
    Container, ContainerStats, FsStats, PodFacts, PodLevelResources, PodRef, PodSpec, PodSpecParts,
    PodStats, Qos, Quantity, QuantityError, ResourceList, Volume, VolumeKind, VolumeStats,
};

use crate::scenario::{self, Strings};

/// The facts of a recorded pod. `index` stands for the inode of its cgroup.
pub(crate) fn facts(pod: &scenario::Pod, index: usize) -> Result<PodFacts, QuantityError> {
    let spec = PodSpec::new(parts(pod)?);
    let units = |amount: Option<Quantity>| {
        amount.map_or(0, |amount| u64::try_from(amount.value()).unwrap_or(0))
    };
    let requests = spec.container_requests();
    Ok(PodFacts {
        id: PodRef { uid: pod.uid.as_str().into(), cgroup_inode: index as u64 + 1 },
        namespace: pod.namespace.as_str().into(),
        name: pod.name.as_str().into(),
        priority: pod.priority,
        is_static: pod.is_static || pod.mirror,
        protected: false,
        // Ranking never looks at it.
        qos: Qos::Burstable,
        memory_request: units(requests.memory),
        ephemeral_storage_request: units(requests.ephemeral_storage),
        termination_grace_seconds: pod
            .termination_grace_period_s
            .map(|s| u64::try_from(s).unwrap_or(0)),
        spec: Some(Arc::new(spec)),
    })
}

fn parts(pod: &scenario::Pod) -> Result<PodSpecParts, QuantityError> {
    let containers =
        |list: &[scenario::Container]| list.iter().map(container).collect::<Result<Vec<_>, _>>();
    let pod_level = pod.pod_resources.as_ref().map(|resources| {
        let both = || resources.requests.keys().chain(resources.limits.keys());
        let is_other = |name: &String| name == "cpu" || name.starts_with("hugepages-");
        Ok(PodLevelResources {
            requests: resource_list(&resources.requests)?,
            limits: resource_list(&resources.limits)?,
            has_others: both().any(is_other),
        })
    });
    Ok(PodSpecParts {
        containers: containers(&pod.containers)?,
        init_containers: containers(&pod.init_containers)?,
        pod_level: pod_level.transpose()?,
        overhead: resource_list(&pod.overhead)?,
        volumes: pod.volumes.iter().map(volume).collect::<Result<_, _>>()?,
    })
}

fn container(container: &scenario::Container) -> Result<Container, QuantityError> {
    Ok(Container {
        name: container.name.as_str().into(),
        requests: resource_list(&container.requests)?,
        limits: resource_list(&container.limits)?,
        is_sidecar: container.restart_policy == "Always",
    })
}

fn resource_list(map: &Strings) -> Result<ResourceList, QuantityError> {
    let amount = |name| map.get(name).map(|text| Quantity::parse(text)).transpose();
    Ok(ResourceList { memory: amount("memory")?, ephemeral_storage: amount("ephemeral-storage")? })
}

fn volume(volume: &scenario::Volume) -> Result<Volume, QuantityError> {
    let kind = match volume.kind.as_str() {
        "emptyDir" => VolumeKind::EmptyDir,
        "emptyDirMemory" | "emptyDirHugePages" => VolumeKind::EmptyDirInMemory,
        "hostPath" | "configMap" | "gitRepo" => VolumeKind::OtherLocal,
        _ => VolumeKind::Elsewhere,
    };
    let limit = volume.size_limit.as_deref().map(Quantity::parse);
    Ok(Volume { name: volume.name.as_str().into(), kind, size_limit: limit.transpose()? })
}

pub(crate) fn stats(stats: &scenario::PodStats) -> PodStats {
    let fs = |used, inodes_used| FsStats { used, inodes_used };
    PodStats {
        memory_working_set: stats.memory_working_set,
        process_count: stats.process_count,
        ephemeral_storage_used: stats.ephemeral_storage_used,
        containers: stats
            .containers
            .iter()
            .map(|c| ContainerStats {
                name: c.name.as_str().into(),
                memory_working_set: c.memory_working_set,
                rootfs: fs(c.rootfs_used, c.rootfs_inodes_used),
                logs: fs(c.logs_used, c.logs_inodes_used),
            })
            .collect(),
        volumes: stats
            .volumes
            .iter()
            .map(|v| VolumeStats { name: v.name.as_str().into(), fs: fs(v.used, v.inodes_used) })
            .collect(),
    }
}
