//! A pod's manifest in the evaluator's terms: containers, resources and volumes.

use evictd_core::{
    Container, PodLevelResources, PodSpec, PodSpecParts, ResourceList, Volume, VolumeKind,
};
use k8s_openapi::{
    api::core::v1::{
        Container as WrittenContainer, EmptyDirVolumeSource, PodSpec as WrittenSpec,
        Volume as WrittenVolume,
    },
    apimachinery::pkg::api::resource::Quantity as WrittenQuantity,
};

use super::{
    record::is_path_component,
    resources::{ResourceError, Resources, path, pod_level, quantity},
};

/// What `spec` says that eviction cares for.
pub(super) fn pod_spec(spec: &WrittenSpec) -> Result<PodSpec, ResourceError> {
    let init = spec.init_containers.as_deref().unwrap_or_default();
    Ok(PodSpec::new(PodSpecParts {
        containers: containers("containers", &spec.containers)?,
        init_containers: containers("initContainers", init)?,
        pod_level: pod_level_resources(spec)?,
        overhead: overhead(spec)?,
        volumes: volumes(spec.volumes.as_deref().unwrap_or_default())?,
    }))
}

fn containers(
    list: &'static str,
    written: &[WrittenContainer],
) -> Result<Vec<Container>, ResourceError> {
    let each = written.iter().zip(Resources::of_containers(list, written));
    each.map(|(container, resources)| {
        Ok(Container {
            name: container.name.as_str().into(),
            requests: resources.requests()?,
            limits: resources.limits()?,
            is_sidecar: container.restart_policy.as_deref() == Some("Always"),
        })
    })
    .collect()
}

/// Only memory counts of them; cpu and huge pages tell that there are some.
fn pod_level_resources(spec: &WrittenSpec) -> Result<Option<PodLevelResources>, ResourceError> {
    let Some(written) = pod_level(spec) else {
        return Ok(None);
    };
    let resources = Resources::new(written, path(&["spec"]));
    let memory = |memory| ResourceList { memory, ephemeral_storage: None };
    let is_other = |name: &String| name == "cpu" || name.starts_with("hugepages-");
    let lists = [&written.requests, &written.limits];
    Ok(Some(PodLevelResources {
        requests: memory(resources.request("memory")?),
        limits: memory(resources.limit("memory")?),
        has_others: lists.into_iter().flatten().any(|list| list.keys().any(is_other)),
    }))
}

fn overhead(spec: &WrittenSpec) -> Result<ResourceList, ResourceError> {
    let of = |resource| {
        let written = spec.overhead.as_ref().and_then(|overhead| overhead.get(resource));
        let at = || path(&["spec", "overhead", resource]);
        written.map(|written: &WrittenQuantity| quantity(written, &at())).transpose()
    };
    Ok(ResourceList { memory: of("memory")?, ephemeral_storage: of("ephemeral-storage")? })
}

fn volumes(written: &[WrittenVolume]) -> Result<Vec<Volume>, ResourceError> {
    let volume = |(i, volume): (usize, &WrittenVolume)| {
        let at = |more: &[&str]| {
            let index = i.to_string();
            path(&[&["spec", "volumes", &index], more].concat())
        };
        let kind = kind(volume);
        if kind.is_empty_dir() && !is_path_component(&volume.name) {
            let problem = format!("`{}` cannot be part of a path", volume.name);
            return Err(ResourceError { field: at(&["name"]), problem });
        }
        let limit = volume.empty_dir.as_ref().and_then(|volume| volume.size_limit.as_ref());
        let size_limit = limit.map(|limit| quantity(limit, &at(&["emptyDir", "sizeLimit"])));
        let size_limit = size_limit.transpose()?;
        Ok(Volume { name: volume.name.as_str().into(), kind, size_limit })
    };
    written.iter().enumerate().map(volume).collect()
}

/// R-9.
fn kind(volume: &WrittenVolume) -> VolumeKind {
    let on_disk = |empty_dir: &EmptyDirVolumeSource| {
        empty_dir.medium.as_deref().unwrap_or_default().is_empty()
    };
    match &volume.empty_dir {
        Some(empty_dir) if on_disk(empty_dir) => VolumeKind::EmptyDir,
        Some(_) => VolumeKind::EmptyDirInMemory,
        None if volume.host_path.is_some()
            || volume.config_map.is_some()
            || volume.git_repo.is_some() =>
        {
            VolumeKind::OtherLocal
        }
        None => VolumeKind::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PodSpec, ResourceError> {
        pod_spec(&serde_json::from_str(text).expect("a pod's spec"))
    }

    fn bytes(list: &ResourceList) -> [Option<i64>; 2] {
        [list.memory, list.ephemeral_storage].map(|quantity| quantity.map(|q| q.value() >> 20))
    }

    #[test]
    fn requests_follow_from_containers_overhead_and_pod_level() {
        // Name, spec, what the kubelet reckons (MiB of memory, of disk), what strict semantics do.
        type Sums = [Option<i64>; 2];
        let cases: [(&str, &str, Sums, Sums); 6] = [
            ("nothing", r#"{"containers": [{"name": "c"}]}"#, [None; 2], [None; 2]),
            (
                "a limit stands for a missing request",
                r#"{"containers": [{"name": "c", "resources": {"limits": {"memory": "7Mi"}}}]}"#,
                [Some(7), None],
                [Some(7), None],
            ),
            (
                "a sidecar and a greater init container",
                r#"{"containers": [{"name": "c", "resources": {"requests": {"memory": "10Mi"}}}],
                    "initContainers": [
                      {"name": "s", "restartPolicy": "Always",
                       "resources": {"requests": {"memory": "5Mi"}}},
                      {"name": "i", "resources": {"requests": {"memory": "50Mi"}}}]}"#,
                [Some(55), None],
                [Some(55), None],
            ),
            (
                "overhead",
                r#"{"containers": [{"name": "c", "resources": {"requests": {"memory": "10Mi"}}}],
                    "overhead": {"memory": "5Mi", "cpu": "1"}}"#,
                [Some(15), None],
                [Some(15), None],
            ),
            (
                "E-27: pod-level cpu",
                r#"{"containers": [{"name": "c",
                      "resources": {"requests": {"memory": "1Mi", "ephemeral-storage": "1Gi"}}}],
                    "resources": {"requests": {"cpu": "1"}}}"#,
                [None; 2],
                [Some(1), Some(1024)],
            ),
            (
                "E-27: pod-level memory",
                r#"{"containers": [{"name": "c",
                      "resources": {"requests": {"memory": "1Mi", "ephemeral-storage": "1Gi"}}}],
                    "resources": {"limits": {"memory": "3Mi"}}}"#,
                [Some(3), None],
                [Some(3), Some(1024)],
            ),
        ];
        for (name, text, kubelet, strict) in cases {
            let spec = read(text).expect(name);
            assert_eq!(bytes(spec.requests()), kubelet, "{name}");
            assert_eq!(bytes(spec.container_requests()), strict, "{name}");
        }
    }

    #[test]
    fn volumes_are_told_apart() {
        let spec = read(
            r#"{"containers": [], "volumes": [
                {"name": "disk", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "default", "emptyDir": {"medium": ""}},
                {"name": "memory", "emptyDir": {"medium": "Memory"}},
                {"name": "host", "hostPath": {"path": "/x"}},
                {"name": "config", "configMap": {"name": "x"}},
                {"name": "secret", "secret": {"secretName": "x"}}]}"#,
        );
        use VolumeKind::{Elsewhere, EmptyDir, EmptyDirInMemory, OtherLocal};
        let spec = spec.expect("valid");
        let kinds: Vec<_> = spec.volumes().iter().map(|volume| volume.kind).collect();
        assert_eq!(
            kinds,
            [EmptyDir, EmptyDir, EmptyDirInMemory, OtherLocal, OtherLocal, Elsewhere]
        );
        let limits: Vec<_> = spec.volumes().iter().map(|volume| volume.size_limit).collect();
        assert_eq!(limits[0].map(evictd_core::Quantity::value), Some(1 << 30));
        assert!(limits[1..].iter().all(Option::is_none));
    }

    #[test]
    fn mistakes_name_their_field() {
        let cases = [
            (
                r#"{"containers": [], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "-1"}}]}"#,
                "spec.volumes.0.emptyDir.sizeLimit",
            ),
            (
                r#"{"containers": [], "volumes": [{"name": "../v", "emptyDir": {}}]}"#,
                "spec.volumes.0.name",
            ),
            (r#"{"containers": [], "overhead": {"memory": "x"}}"#, "spec.overhead.memory"),
            (
                r#"{"containers": [{"name": "c", "resources": {"limits": {"ephemeral-storage": "x"}}}]}"#,
                "spec.containers.0.resources.limits.ephemeral-storage",
            ),
        ];
        for (text, field) in cases {
            assert_eq!(read(text).expect_err(field).field.join("."), field);
        }
    }
}
