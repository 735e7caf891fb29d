//! What a container would have of its machine: files where the DaemonSet mounts them, and a network of its own.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use evictd_tests::loopback;
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::{small::Small, template::Template};

/// Where the token of a pod's service account is.
const ACCOUNT: &str = "run/secrets/kubernetes.io/serviceaccount";
/// Directories of the machine that are hidden by empty ones.
const HIDDEN: [&str; 4] = ["/etc", "/run", "/var/lib", "/var/log"];

/// What is where.
pub(crate) struct Machine {
    /// Directories of the sandbox and where they are mounted.
    binds: Vec<(PathBuf, PathBuf)>,
    /// Directories that are there and empty.
    empty: Vec<PathBuf>,
    files: BTreeMap<PathBuf, String>,
}

impl Machine {
    /// The sandbox as the DaemonSet's pod sees it.
    pub(crate) fn of(small: &Small, template: &Template) -> Self {
        let mut machine = Self { binds: Vec::new(), empty: Vec::new(), files: BTreeMap::new() };
        for (volume, at) in &template.mounts {
            let at = PathBuf::from(at);
            match &**volume {
                "kubelet" => machine.binds.push((small.node.kubelet_dir(), at)),
                "pod-logs" => machine.binds.push((small.node.pod_logs_dir(), at)),
                // They are where they always are.
                "cgroup" | "tracing" => {}
                "config" => {
                    let cgroup_root = small.node.top().relative().display().to_string();
                    for (name, content) in &template.config {
                        // The sandbox is not the whole machine.
                        let content = format!("{content}\ncgroupRoot: /{cgroup_root}\n");
                        machine.files.insert(at.join(name), content);
                    }
                }
                _ => machine.empty.push(at),
            }
        }
        let account = Path::new("/").join(ACCOUNT);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        machine.files.insert(account.join("token"), read(&small.agent.token));
        machine.files.insert(account.join("ca.crt"), read(&small.plane.authority()));
        machine.files.insert(account.join("namespace"), evictd_tests::deploy::NAMESPACE.into());
        machine
    }

    /// Moves this thread, and what it starts from now on, there. Gives a listener on loopback of that network.
    pub(crate) fn enter(&self, port: u16) -> TcpListener {
        // SAFETY: no descriptor is shared or unshared by these namespaces.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        for path in HIDDEN {
            mount("tmpfs", path, "tmpfs", MountFlags::empty(), None).unwrap();
        }
        for (from, at) in &self.binds {
            fs::create_dir_all(at).unwrap();
            mount_bind(from, at).unwrap();
        }
        for path in &self.empty {
            fs::create_dir_all(path).unwrap();
        }
        for (path, content) in &self.files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        if !Path::new("/sys/kernel/tracing/events").exists() {
            mount("tracefs", "/sys/kernel/tracing", "tracefs", MountFlags::empty(), None).unwrap();
        }
        loopback::bring_up().unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
    }
}
