//! What the runtime keeps, at one moment.

use std::collections::{BTreeMap, BTreeSet};

use super::{RuntimeClient, RuntimeError, cri};

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerPhase {
    /// Made, and perhaps about to be started.
    Created,
    /// It runs.
    Running,
    /// It has ended.
    Exited,
    /// The runtime has lost track of it; it may run.
    Unknown,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id.
    pub id: String,
    /// Its name in the pod; restarts share it.
    pub name: String,
    /// UID of its pod; empty when its sandbox is gone, so that nobody knows.
    pub pod_uid: String,
    /// Its state.
    pub phase: ContainerPhase,
    /// When it was made, nanoseconds since 1970.
    pub created_at: i64,
    /// Everything its image is called by.
    pub image: Vec<String>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The runtime's id.
    pub id: String,
    /// Tags and digests.
    pub names: Vec<String>,
    /// Bytes, as the runtime reckons: containerd tells the compressed size.
    pub size: u64,
    /// Never removed: the runtime says so, or sandboxes are made of it.
    pub pinned: bool,
}

impl Image {
    /// What people call it.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.id)
    }

    fn is_called(&self, name: &str) -> bool {
        self.id == name || self.names.iter().any(|own| own == name)
    }

    /// Whether `container` was made of it.
    pub fn is_of(&self, container: &Container) -> bool {
        container.image.iter().any(|name| self.is_called(name))
    }
}

/// Everything the runtime keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Containers in any state.
    pub containers: Vec<Container>,
    /// Images.
    pub images: Vec<Image>,
    /// UIDs of the pods it has a sandbox of; true with one that is ready.
    pub pods: BTreeMap<String, bool>,
}

impl Stock {
    /// Asks the runtime. `sandbox_image` is kept as if it were pinned.
    ///
    /// # Errors
    /// When any part of it is not told: half an answer would make used images look unused.
    pub(super) async fn ask(
        client: &mut RuntimeClient,
        sandbox_image: Option<&str>,
    ) -> Result<Self, RuntimeError> {
        // Images first: what is made of one meanwhile is then seen using it.
        let images = client.images().await?;
        let containers = client.containers().await?;
        // Last: a pod that has just become ready must not look dead.
        let sandboxes = client.sandboxes().await?;
        let mut pods = BTreeMap::new();
        let mut uids = BTreeMap::new();
        for sandbox in &sandboxes {
            let uid = sandbox.metadata.as_ref().map_or("", |metadata| &metadata.uid);
            let ready = sandbox.state() == cri::PodSandboxState::Ready;
            *pods.entry(uid.to_owned()).or_default() |= ready;
            uids.insert(sandbox.id.as_str(), uid);
        }
        let container = |container| read_container(container, &uids);
        Ok(Self {
            containers: containers.into_iter().map(container).collect(),
            images: images.into_iter().map(|image| read_image(image, sandbox_image)).collect(),
            pods,
        })
    }

    /// UIDs of the pods that live: with a sandbox that is ready, or a container that may run.
    pub fn living(&self) -> BTreeSet<&str> {
        let ready = self.pods.iter().filter(|(_, ready)| **ready).map(|(uid, _)| uid.as_str());
        let runs = |container: &&Container| container.phase != ContainerPhase::Exited;
        let running = self.containers.iter().filter(runs).map(|c| c.pod_uid.as_str());
        ready.chain(running).filter(|uid| !uid.is_empty()).collect()
    }

    /// UIDs of the pods that the runtime knows, none of whose sandboxes is ready and none of whose
    /// containers may run.
    pub fn dead(&self) -> BTreeSet<&str> {
        let living = self.living();
        let known = self.pods.keys().map(String::as_str);
        known.filter(|uid| !uid.is_empty() && !living.contains(uid)).collect()
    }
}

fn read_container(container: cri::Container, uids: &BTreeMap<&str, &str>) -> Container {
    let phase = match container.state() {
        cri::ContainerState::Created => ContainerPhase::Created,
        cri::ContainerState::Running => ContainerPhase::Running,
        cri::ContainerState::Exited => ContainerPhase::Exited,
        cri::ContainerState::Unknown => ContainerPhase::Unknown,
    };
    let spec = container.image.unwrap_or_default();
    let image = [spec.image, spec.image_ref, container.image_ref, container.image_id];
    Container {
        pod_uid: uids.get(container.pod_sandbox_id.as_str()).map_or("", |uid| uid).to_owned(),
        id: container.id,
        name: container.metadata.unwrap_or_default().name,
        phase,
        created_at: container.created_at,
        image: image.into_iter().filter(|name| !name.is_empty()).collect(),
    }
}

fn read_image(image: cri::Image, sandbox_image: Option<&str>) -> Image {
    let names: Vec<_> = image.repo_tags.into_iter().chain(image.repo_digests).collect();
    let is_sandbox = |name: &String| sandbox_image == Some(name) || is_pause(name);
    let pinned = image.pinned || names.iter().any(is_sandbox);
    Image { id: image.id, names, size: image.size, pinned }
}

/// Runtimes older than the field `pinned` say nothing of the image that sandboxes are made of, and no
/// container is; it goes by this name everywhere.
fn is_pause(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let base = last.split([':', '@']).next().unwrap_or(last);
    base == "pause" || base.starts_with("pause-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_of_sandboxes_is_pinned_whoever_names_it() {
        let image = |name: &str, pinned| cri::Image {
            id: "sha256:1".to_owned(),
            repo_tags: vec![name.to_owned()],
            pinned,
            ..cri::Image::default()
        };
        let cases = [
            ("pinned by the runtime", "registry/a:1", true, None, true),
            ("named by the runtime", "registry/sandbox:1", false, Some("registry/sandbox:1"), true),
            ("the usual one", "registry.k8s.io/pause:3.9", false, None, true),
            ("with architecture", "k8s.gcr.io/pause-amd64:3.1", false, None, true),
            ("by digest", "registry.k8s.io/pause@sha256:2", false, None, true),
            ("another", "registry/pauses:1", false, Some("registry/sandbox:1"), false),
        ];
        for (name, tag, pinned, sandbox, expected) in cases {
            assert_eq!(read_image(image(tag, pinned), sandbox).pinned, expected, "{name}");
        }
    }

    #[test]
    fn a_pod_lives_by_its_sandbox_or_by_a_container_that_may_run() {
        let container = |pod: &str, phase| Container {
            id: "c".to_owned(),
            name: "app".to_owned(),
            pod_uid: pod.to_owned(),
            phase,
            created_at: 0,
            image: Vec::new(),
        };
        let cases = [
            ("ready", true, None, true),
            ("not ready", false, None, false),
            ("not ready, exited", false, Some(ContainerPhase::Exited), false),
            ("not ready, running", false, Some(ContainerPhase::Running), true),
            ("not ready, created", false, Some(ContainerPhase::Created), true),
            ("not ready, unknown", false, Some(ContainerPhase::Unknown), true),
        ];
        for (name, ready, phase, lives) in cases {
            let stock = Stock {
                containers: phase.map(|phase| container("u", phase)).into_iter().collect(),
                images: Vec::new(),
                pods: [("u".to_owned(), ready)].into(),
            };
            assert_eq!(stock.living().contains("u"), lives, "{name}");
            assert_eq!(stock.dead().contains("u"), !lives, "{name}");
        }
    }
}
