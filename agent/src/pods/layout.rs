//! Where the kubelet and the runtime put what belongs to a pod.

use std::path::{Path, PathBuf};

use evictd_core::Qos;

use super::CgroupTree;

/// Roots of the node's directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLayout {
    /// The kubelet's root directory.
    pub root_directory: PathBuf,
    /// The directory of container logs.
    pub pod_logs_dir: PathBuf,
    /// The cgroup that holds that of all pods, from the root of each hierarchy.
    pub cgroup_root: PathBuf,
    /// How cgroups are called.
    pub driver: CgroupDriver,
}

/// The kubelet's `cgroupDriver`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupDriver {
    /// `kubepods/burstable/pod<uid>`.
    #[default]
    Cgroupfs,
    /// `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice`.
    Systemd,
}

const CLASSES: [Qos; 3] = [Qos::Guaranteed, Qos::Burstable, Qos::BestEffort];

/// The directories between the cgroup of all pods and one pod's; no directory for guaranteed pods.
const fn class(qos: Qos) -> Option<&'static str> {
    match qos {
        Qos::Guaranteed => None,
        Qos::Burstable => Some("burstable"),
        Qos::BestEffort => Some("besteffort"),
    }
}

impl NodeLayout {
    /// Takes the driver whose cgroup of all pods is there; the driver stays where there is none of
    /// either. What is asked is the machine: the kubelet has its driver from the runtime by now, whatever
    /// its configuration says. True if it changed.
    pub fn find_driver(&mut self, tree: &mut CgroupTree) -> bool {
        for driver in [CgroupDriver::Systemd, CgroupDriver::Cgroupfs] {
            let layout = Self { driver, ..self.clone() };
            if tree.has(&layout.pods_cgroup()) {
                let changed = self.driver != driver;
                self.driver = driver;
                return changed && tree.set_pods(&self.pods_cgroup());
            }
        }
        false
    }

    /// The cgroup of all pods, relative to the root of each hierarchy.
    pub fn pods_cgroup(&self) -> PathBuf {
        self.cgroup(&["kubepods"])
    }

    /// The cgroup of one pod, relative to the root of each hierarchy. Its containers are the
    /// directories in it.
    pub fn pod_cgroup(&self, qos: Qos, uid: &str) -> PathBuf {
        let pod = format!("pod{uid}");
        match class(qos) {
            None => self.cgroup(&["kubepods", &pod]),
            Some(class) => self.cgroup(&["kubepods", class, &pod]),
        }
    }

    /// Where pods' cgroups are, by class, relative to the root of each hierarchy.
    pub fn class_cgroups(&self) -> [(Qos, PathBuf); 3] {
        CLASSES.map(|qos| match class(qos) {
            None => (qos, self.pods_cgroup()),
            Some(class) => (qos, self.cgroup(&["kubepods", class])),
        })
    }

    /// The UID of the pod whose cgroup is called `directory`, if it is a pod's.
    pub fn pod_uid(&self, directory: &str) -> Option<String> {
        let uid = match self.driver {
            CgroupDriver::Cgroupfs => directory.strip_prefix("pod")?.to_owned(),
            CgroupDriver::Systemd => {
                let slice = directory.strip_suffix(".slice")?;
                slice.rsplit_once("-pod")?.1.replace('_', "-")
            }
        };
        (!uid.is_empty()).then_some(uid)
    }

    /// A cgroup by its names below the root, as the driver spells them.
    fn cgroup(&self, names: &[&str]) -> PathBuf {
        let root = self.cgroup_root.strip_prefix("/").unwrap_or(&self.cgroup_root);
        match self.driver {
            CgroupDriver::Cgroupfs => names.iter().fold(root.to_owned(), |path, n| path.join(n)),
            CgroupDriver::Systemd => {
                let above = root.iter().map(|name| name.to_string_lossy());
                let names = above.chain(names.iter().map(|name| (*name).into()));
                let (mut path, mut slice) = (PathBuf::new(), String::new());
                for name in names {
                    if !slice.is_empty() {
                        slice.push('-');
                    }
                    // A dash separates; one in a name is spelt as an underscore.
                    slice.push_str(&name.replace('-', "_"));
                    path.push(format!("{slice}.slice"));
                }
                path
            }
        }
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

    fn layout(cgroup_root: &str, driver: CgroupDriver) -> NodeLayout {
        NodeLayout {
            root_directory: "/var/lib/kubelet".into(),
            pod_logs_dir: "/var/log/pods".into(),
            cgroup_root: cgroup_root.into(),
            driver,
        }
    }

    #[test]
    fn pods_cgroups_are_the_kubelets() {
        use CgroupDriver::{Cgroupfs, Systemd};
        const UID: &str = "1f3a-22";
        let cases = [
            ("cgroupfs", Cgroupfs, "/", Qos::Guaranteed, "kubepods/pod1f3a-22"),
            ("cgroupfs", Cgroupfs, "/", Qos::Burstable, "kubepods/burstable/pod1f3a-22"),
            ("cgroupfs", Cgroupfs, "/", Qos::BestEffort, "kubepods/besteffort/pod1f3a-22"),
            (
                "below a root",
                Cgroupfs,
                "/demo/no-de",
                Qos::Guaranteed,
                "demo/no-de/kubepods/pod1f3a-22",
            ),
            ("systemd", Systemd, "/", Qos::Guaranteed, "kubepods.slice/kubepods-pod1f3a_22.slice"),
            (
                "systemd",
                Systemd,
                "/",
                Qos::Burstable,
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f3a_22.slice",
            ),
            (
                "systemd",
                Systemd,
                "",
                Qos::BestEffort,
                "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1f3a_22.slice",
            ),
            (
                "systemd below a root",
                Systemd,
                "/a/b-c",
                Qos::Guaranteed,
                "a.slice/a-b_c.slice/a-b_c-kubepods.slice/a-b_c-kubepods-pod1f3a_22.slice",
            ),
        ];
        for (name, driver, root, qos, path) in cases {
            let layout = layout(root, driver);
            assert_eq!(layout.pod_cgroup(qos, UID), Path::new(path), "{name}");
            let (parent, directory) = path.rsplit_once('/').expect("two parts");
            assert_eq!(layout.pod_uid(directory).as_deref(), Some(UID), "{name}");
            let class = layout.class_cgroups().into_iter().find(|(class, _)| *class == qos);
            assert_eq!(class, Some((qos, parent.into())), "{name}");
        }
    }

    #[test]
    fn what_is_no_pods_cgroup_has_no_uid() {
        use CgroupDriver::{Cgroupfs, Systemd};
        for (driver, directory) in [
            (Cgroupfs, "burstable"),
            (Cgroupfs, "pod"),
            (Cgroupfs, "kubepods-pod1.slice"),
            (Systemd, "kubepods-burstable.slice"),
            (Systemd, "kubepods-pod.slice"),
            (Systemd, "cri-containerd-0123.scope"),
        ] {
            assert_eq!(layout("/", driver).pod_uid(directory), None, "{directory}");
        }
    }

    #[test]
    fn files_are_where_the_kubelet_puts_them() {
        let layout = layout("/", CgroupDriver::Cgroupfs);
        assert_eq!(layout.pod_logs("ns", "n", "u"), Path::new("/var/log/pods/ns_n_u"));
        assert_eq!(
            layout.empty_dir("u", "cache"),
            Path::new("/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/cache")
        );
    }
}
