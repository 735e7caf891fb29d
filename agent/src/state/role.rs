//! What runs in a cgroup that is no pod's, told by its place in the hierarchy.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// What runs in a cgroup that is no pod's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The root: the kernel's own threads (writeback among them) and what is in no cgroup of its own.
    Kernel,
    /// The container runtime: image pulls, and the logs it writes for containers.
    Runtime,
    /// The kubelet.
    Kubelet,
    /// The pods' part of the hierarchy: a pod that evictd does not know.
    Pods,
    /// A service of the system.
    Service,
    /// A login, or a service of a user.
    User,
    /// None of these.
    Other,
}

/// How one part of a cgroup's path is told.
enum Part {
    /// The whole name.
    Is(&'static str),
    /// How it begins.
    Begins(&'static str),
}

/// The first rule that fits any part of the path counts.
const RULES: &[(Part, Role)] = &[
    (Part::Is("kubepods"), Role::Pods),
    (Part::Is("kubepods.slice"), Role::Pods),
    (Part::Is("containerd.service"), Role::Runtime),
    (Part::Is("crio.service"), Role::Runtime),
    (Part::Is("docker.service"), Role::Runtime),
    (Part::Is("cri-docker.service"), Role::Runtime),
    (Part::Is("buildkit.service"), Role::Runtime),
    (Part::Is("k3s.service"), Role::Runtime),
    (Part::Is("k3s-agent.service"), Role::Runtime),
    (Part::Is("rke2-server.service"), Role::Runtime),
    (Part::Is("rke2-agent.service"), Role::Runtime),
    (Part::Is("k0scontroller.service"), Role::Runtime),
    (Part::Is("k0sworker.service"), Role::Runtime),
    (Part::Is("snap.microk8s.daemon-containerd.service"), Role::Runtime),
    (Part::Begins("crio-conmon-"), Role::Runtime),
    (Part::Is("kubelet.service"), Role::Kubelet),
    (Part::Is("kubelet.slice"), Role::Kubelet),
    (Part::Is("runtime.slice"), Role::Runtime),
    (Part::Is("podruntime.slice"), Role::Runtime),
    (Part::Is("user.slice"), Role::User),
    (Part::Is("system.slice"), Role::Service),
    (Part::Is("init.scope"), Role::Service),
    (Part::Is("machine.slice"), Role::Service),
];

impl Role {
    /// Of the cgroup with that path from the root of the hierarchy.
    pub fn of(path: &Path) -> Self {
        let parts = || {
            path.components().filter_map(|part| {
                if let Component::Normal(name) = part { name.to_str() } else { None }
            })
        };
        if parts().next().is_none() {
            return Self::Kernel;
        }
        let fits = |rule: &Part| {
            parts().any(|part| match rule {
                Part::Is(name) => part == *name,
                Part::Begins(name) => part.starts_with(name),
            })
        };
        RULES.iter().find(|(rule, _)| fits(rule)).map_or(Self::Other, |(_, role)| *role)
    }

    /// Who that is, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Kernel => "the kernel or a process without a cgroup of its own",
            Self::Runtime => "the container runtime: an image pull, or a container being made",
            Self::Kubelet => "the kubelet",
            Self::Pods => "a pod that is not known",
            Self::Service => "a system service",
            Self::User => "a user's session",
            Self::Other => "a cgroup of no pod",
        }
    }
}

/// A cgroup's name for people: the last part of its path, without what systemd adds.
pub fn short_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let kinds = [".service", ".scope", ".slice"];
    let bare = kinds.into_iter().find_map(|kind| name.strip_suffix(kind)).unwrap_or(&name);
    if bare.is_empty() { "/".to_owned() } else { bare.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_told_by_their_place() {
        let cases = [
            ("", Role::Kernel, "/"),
            ("system.slice/containerd.service", Role::Runtime, "containerd"),
            ("system.slice/crio-conmon-1.scope", Role::Runtime, "crio-conmon-1"),
            ("runtime.slice/containerd.service", Role::Runtime, "containerd"),
            ("podruntime.slice/kubelet.service", Role::Kubelet, "kubelet"),
            ("system.slice/kubelet.service", Role::Kubelet, "kubelet"),
            ("system.slice/cron.service", Role::Service, "cron"),
            ("system.slice", Role::Service, "system"),
            ("init.scope", Role::Service, "init"),
            ("user.slice/user-0.slice/session-1.scope", Role::User, "session-1"),
            ("kubepods/besteffort/podu/c", Role::Pods, "c"),
            (
                "kubepods.slice/kubepods-podu.slice/cri-containerd-1.scope",
                Role::Pods,
                "cri-containerd-1",
            ),
            ("batch", Role::Other, "batch"),
            ("mycontainerd.service", Role::Other, "mycontainerd"),
        ];
        for (path, role, name) in cases {
            let path = Path::new(path);
            assert_eq!((Role::of(path), &*short_name(path)), (role, name), "{}", path.display());
        }
    }
}
