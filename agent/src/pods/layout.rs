//! Where the kubelet and the runtime put what belongs to a pod (cgroupfs driver).

use std::path::{Path, PathBuf};

use evictd_core::Qos;

/// Roots of the node's directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLayout {
    /// The kubelet's root directory.
    pub root_directory: PathBuf,
    /// The directory of container logs.
    pub pod_logs_dir: PathBuf,
    /// The cgroup that holds `kubepods`, from the root of each hierarchy.
    pub cgroup_root: PathBuf,
}

impl NodeLayout {
    /// The cgroup of all pods, relative to the root of each hierarchy.
    pub fn pods_cgroup(&self) -> PathBuf {
        self.cgroup_root.strip_prefix("/").unwrap_or(&self.cgroup_root).join("kubepods")
    }

    /// The cgroup of one pod, relative to the root of each hierarchy. Its containers are the
    /// directories in it.
    pub fn pod_cgroup(&self, qos: Qos, uid: &str) -> PathBuf {
        let class = match qos {
            Qos::Guaranteed => "",
            Qos::Burstable => "burstable",
            Qos::BestEffort => "besteffort",
        };
        self.pods_cgroup().join(class).join(format!("pod{uid}"))
    }

    /// The log directory of one pod. Its containers' are the directories in it.
    pub fn pod_logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.pod_logs_dir.join(format!("{namespace}_{name}_{uid}"))
    }

    /// The directory of one emptyDir volume.
    pub fn empty_dir(&self, uid: &str, volume: &str) -> PathBuf {
        let volumes: &Path = "volumes/kubernetes.io~empty-dir".as_ref();
        self.root_directory.join("pods").join(uid).join(volumes).join(volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_kubelets() {
        let mut layout = NodeLayout {
            root_directory: "/var/lib/kubelet".into(),
            pod_logs_dir: "/var/log/pods".into(),
            cgroup_root: "/".into(),
        };
        for (qos, path) in [
            (Qos::Guaranteed, "kubepods/podu"),
            (Qos::Burstable, "kubepods/burstable/podu"),
            (Qos::BestEffort, "kubepods/besteffort/podu"),
        ] {
            assert_eq!(layout.pod_cgroup(qos, "u"), Path::new(path));
        }
        assert_eq!(layout.pod_logs("ns", "n", "u"), Path::new("/var/log/pods/ns_n_u"));
        assert_eq!(
            layout.empty_dir("u", "cache"),
            Path::new("/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/cache")
        );
        layout.cgroup_root = "/demo/node".into();
        assert_eq!(layout.pods_cgroup(), Path::new("demo/node/kubepods"));
    }
}
