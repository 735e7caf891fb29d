//! The node's own filesystem: an ext4 in a sparse file, or a block device given by the machine.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::loop_device::LoopDevice;

/// Names a block device that already holds an ext4 (the test VMs have one).
pub const DEVICE_VARIABLE: &str = "EVICTD_NODEFS_DEVICE";

/// Size of the sparse image.
const IMAGE_BYTES: u64 = 512 << 20;

/// A mounted filesystem; unmounted, and emptied when it is not ours alone, on drop.
#[derive(Debug)]
pub struct Nodefs {
    root: PathBuf,
}

impl Nodefs {
    /// Makes and mounts it at `<dir>/nodefs`.
    pub fn mount_below(dir: &Path) -> Result<Self> {
        let nodefs = match env::var_os(DEVICE_VARIABLE) {
            Some(device) => {
                let root = make_root(dir, "nodefs")?;
                mount_ext4(Path::new(&device), &root)?;
                Self { root }
            }
            None => Self::mount_image(dir, "nodefs")?,
        };
        nodefs.empty();
        for dir in [nodefs.kubelet_dir(), nodefs.pod_logs_dir()] {
            fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        Ok(nodefs)
    }

    /// Makes a filesystem in a file and mounts it at `<dir>/<name>`.
    pub fn mount_image(dir: &Path, name: &str) -> Result<Self> {
        let root = make_root(dir, name)?;
        let image = dir.join(format!("{name}.img"));
        make_ext4(&image)?;
        let device = LoopDevice::attach(&image)?;
        mount_ext4(&device.path, &root)?;
        Ok(Self { root })
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// evictd's `rootDirectory`.
    pub fn kubelet_dir(&self) -> PathBuf {
        self.root.join("kubelet")
    }

    /// evictd's `podLogsDir`.
    pub fn pod_logs_dir(&self) -> PathBuf {
        self.root.join("log/pods")
    }

    /// Whatever a test left: the next one counts on an empty filesystem.
    fn empty(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let path = entry.path();
            // What cannot be removed shows in the test that needs the space.
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

impl Drop for Nodefs {
    fn drop(&mut self) {
        self.empty();
        if let Err(e) = unmount(&self.root, UnmountFlags::empty()) {
            eprintln!("{} is busy ({e}): unmounting it lazily", self.root.display());
            // Nothing more can be done about a second failure; the next run sweeps.
            let _ = unmount(&self.root, UnmountFlags::DETACH);
        }
    }
}

fn make_root(dir: &Path, name: &str) -> Result<PathBuf> {
    let root = dir.join(name);
    fs::create_dir(&root).with_context(|| format!("making {}", root.display()))?;
    Ok(root)
}

fn make_ext4(image: &Path) -> Result<()> {
    let file = File::create(image).with_context(|| format!("making {}", image.display()))?;
    file.set_len(IMAGE_BYTES).context("sizing the image")?;
    // No reserve and no lazy initialisation: free space changes only by what the pods write.
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
        .arg(image)
        .output()
        .context("running mkfs.ext4 (package e2fsprogs)")?;
    if !made.status.success() {
        bail!("mkfs.ext4: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    Ok(())
}

fn mount_ext4(device: &Path, root: &Path) -> Result<()> {
    mount(device, root, "ext4", MountFlags::NOATIME, None)
        .with_context(|| format!("mounting {} on {}", device.display(), root.display()))
}
