//! What a node has before anything of Kubernetes is there: a network, a disk at /var, files in /etc.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::{HOST, NODE};
use crate::{
    containerd::{Containerd, Programs},
    nodefs::DEVICE_VARIABLE,
};

const ADDRESS: &str = "10.0.2.15";
/// Everything that fills up lies below: pods' volumes and logs, images, containers.
const DISK: &str = "/var";

/// The machine, with a container runtime.
#[derive(Debug)]
pub struct Machine {
    /// The kubelet's and evictd's.
    pub containerd: Containerd,
}

impl Machine {
    /// Sets it up.
    pub fn set_up() -> Result<Self> {
        busybox(&["--install", "-s", "/bin"])?;
        fs::create_dir_all("/usr/bin")?;
        busybox(&["ln", "-sf", "/bin/busybox", "/usr/bin/env"])?;
        for (path, text) in [
            ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("/etc/group", "root:x:0:\n"),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
            ("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
        ] {
            fs::write(path, text).context(path)?;
        }
        network()?;
        disk()?;
        fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset").context("cpuset")?;
        let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
        mount_change("/", shared).context("sharing mounts")?;
        let programs = Programs::find().context("containerd is not packed")?;
        let containerd = Containerd::start(&programs, &PathBuf::from("/var/lib/containerd"))?;
        Ok(Self { containerd })
    }
}

fn network() -> Result<()> {
    busybox(&["hostname", NODE])?;
    busybox(&["ip", "link", "set", "eth0", "up"])?;
    busybox(&["ip", "addr", "add", &format!("{ADDRESS}/24"), "dev", "eth0"])?;
    busybox(&["ip", "route", "add", "default", "via", HOST])
}

fn disk() -> Result<()> {
    let device = env::var_os(DEVICE_VARIABLE).context(DEVICE_VARIABLE)?;
    fs::create_dir_all(DISK)?;
    mount(&device, DISK, "ext4", MountFlags::empty(), None).context("mounting the disk")?;
    for folder in ["/var/lib/kubelet", "/var/log/pods"] {
        fs::create_dir_all(folder).context(folder)?;
    }
    Ok(())
}

fn busybox(arguments: &[&str]) -> Result<()> {
    let output = Command::new("/bin/busybox").args(arguments).output().context("busybox")?;
    if !output.status.success() {
        bail!("{}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
