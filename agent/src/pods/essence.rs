//! What of a pod object evictd uses, as an object again: small, and without what is nobody's business, such
//! as the values of environment variables.

use k8s_openapi::{
    api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus, Volume},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::record::{CONFIG_MIRROR, CONFIG_SOURCE};

/// An object that says the same to [`PodRecord::of`](super::PodRecord::of).
pub fn essence(pod: &Pod) -> Pod {
    Pod {
        metadata: metadata(&pod.metadata),
        spec: pod.spec.as_ref().map(spec),
        status: pod.status.as_ref().map(status),
    }
}

fn metadata(meta: &ObjectMeta) -> ObjectMeta {
    let mut annotations = meta.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| [CONFIG_SOURCE, CONFIG_MIRROR].contains(&key.as_str()));
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        annotations: (!annotations.is_empty()).then_some(annotations),
        ..ObjectMeta::default()
    }
}

fn spec(spec: &PodSpec) -> PodSpec {
    let init = spec.init_containers.as_ref();
    PodSpec {
        priority: spec.priority,
        termination_grace_period_seconds: spec.termination_grace_period_seconds,
        containers: spec.containers.iter().map(container).collect(),
        init_containers: init.map(|init| init.iter().map(container).collect()),
        resources: spec.resources.clone(),
        overhead: spec.overhead.clone(),
        volumes: spec.volumes.as_ref().map(|volumes| volumes.iter().map(volume).collect()),
        ..PodSpec::default()
    }
}

fn container(container: &Container) -> Container {
    Container {
        name: container.name.clone(),
        resources: container.resources.clone(),
        restart_policy: container.restart_policy.clone(),
        ..Container::default()
    }
}

fn volume(volume: &Volume) -> Volume {
    Volume {
        name: volume.name.clone(),
        empty_dir: volume.empty_dir.clone(),
        // That there is one of these is all that counts.
        host_path: volume.host_path.as_ref().map(|_| Default::default()),
        config_map: volume.config_map.as_ref().map(|_| Default::default()),
        git_repo: volume.git_repo.as_ref().map(|_| Default::default()),
        ..Volume::default()
    }
}

fn status(status: &PodStatus) -> PodStatus {
    let of = |list: &Option<Vec<ContainerStatus>>| {
        list.as_ref().map(|list| list.iter().map(container_status).collect())
    };
    PodStatus {
        phase: status.phase.clone(),
        container_statuses: of(&status.container_statuses),
        init_container_statuses: of(&status.init_container_statuses),
        ..PodStatus::default()
    }
}

fn container_status(status: &ContainerStatus) -> ContainerStatus {
    ContainerStatus {
        name: status.name.clone(),
        container_id: status.container_id.clone(),
        ..ContainerStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pods::PodRecord;

    fn rich() -> Pod {
        let object = json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u1", "labels": {"app": "web"},
                "annotations": {CONFIG_SOURCE: "file", "note": "private"},
            },
            "spec": {
                "nodeName": "node-a", "priority": 7, "terminationGracePeriodSeconds": 5,
                "overhead": {"memory": "3Mi"},
                "resources": {"requests": {"cpu": "1", "memory": "40Mi"}},
                "containers": [{
                    "name": "app", "image": "web", "env": [{"name": "TOKEN", "value": "secret"}],
                    "resources": {"requests": {"memory": "10Mi", "ephemeral-storage": "1Gi"},
                                  "limits": {"cpu": "1"}},
                }],
                "initContainers": [
                    {"name": "side", "restartPolicy": "Always",
                     "resources": {"limits": {"memory": "5Mi"}}},
                ],
                "volumes": [
                    {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "quick", "emptyDir": {"medium": "Memory"}},
                    {"name": "host", "hostPath": {"path": "/private"}},
                    {"name": "config", "configMap": {"name": "private"}},
                    {"name": "git", "gitRepo": {"repository": "private"}},
                    {"name": "other", "secret": {"secretName": "private"}},
                ],
            },
            "status": {
                "phase": "Running", "message": "private",
                "containerStatuses": [{
                    "name": "app", "containerID": "containerd://0123", "image": "web",
                    "imageID": "", "ready": true, "restartCount": 3,
                }],
                "initContainerStatuses": [{
                    "name": "side", "containerID": "containerd://4567", "image": "web",
                    "imageID": "", "ready": true, "restartCount": 0,
                }],
            },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn it_says_the_same_and_nothing_private() {
        let pod = rich();
        let written = serde_json::to_string(&essence(&pod)).unwrap();
        let read: Pod = serde_json::from_str(&written).unwrap();
        let record = PodRecord::of(&pod).unwrap().unwrap();
        assert_eq!(PodRecord::of(&read).unwrap().unwrap(), record);
        assert_eq!((record.container_names.len(), record.is_static), (2, true));
        for private in ["private", "secret", "labels", "image\":\"web"] {
            assert!(!written.contains(private), "{private} in {written}");
        }
    }

    #[test]
    fn one_that_has_ended_has_ended() {
        let mut pod = rich();
        pod.status.as_mut().unwrap().phase = Some("Failed".to_owned());
        assert_eq!(PodRecord::of(&essence(&pod)), Ok(None));
    }
}
