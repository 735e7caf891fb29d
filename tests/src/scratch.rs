//! A filesystem of any kind in a sparse file, beside the node's own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{loop_device::LoopDevice, node::Node};

/// Size of the sparse image: xfs wants 300 MiB.
const IMAGE_BYTES: u64 = 512 << 20;
/// Mount points are `<node's directory>/scratch-<kind>`.
pub(crate) const PREFIX: &str = "scratch-";

/// A mounted filesystem; unmounted on drop. To be dropped before its node.
#[derive(Debug)]
pub struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Makes a filesystem of the kind and mounts it. `None` where that cannot be, which is said on
    /// stdout.
    pub fn mount(node: &Node, kind: &str) -> Result<Option<Self>> {
        Ok(match Self::attempt(node, kind)? {
            Ok(scratch) => Some(scratch),
            Err(reason) => {
                println!("cannot run here: {reason}");
                None
            }
        })
    }

    /// The same. `Err(reason)` inside where the kernel has none of that kind or nobody can make one.
    pub fn attempt(node: &Node, kind: &str) -> Result<Result<Self, String>> {
        let known = fs::read_to_string("/proc/filesystems")?;
        if !known.lines().any(|line| line.split_whitespace().last() == Some(kind)) {
            return Ok(Err(format!("this kernel has no {kind}")));
        }
        let image = node.dir().join(format!("{PREFIX}{kind}.img"));
        File::create(&image)?.set_len(IMAGE_BYTES).context("sizing the image")?;
        let program = format!("mkfs.{kind}");
        let made = match Command::new(&program).arg("-q").arg(&image).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Err(format!("{program} is not installed")));
            }
            made => made.with_context(|| format!("running {program}"))?,
        };
        if !made.status.success() {
            bail!("{program}: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        let root = node.dir().join(format!("{PREFIX}{kind}"));
        fs::create_dir(&root)?;
        let device = LoopDevice::attach(&image)?;
        mount(&device.path, &root, kind, MountFlags::NOATIME, None)
            .with_context(|| format!("mounting {} on {}", device.path.display(), root.display()))?;
        Ok(Ok(Self { root }))
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = unmount(&self.root, UnmountFlags::empty()) {
            eprintln!("{} is busy ({e}): unmounting it lazily", self.root.display());
            // Nothing more can be done about a second failure; the next run sweeps.
            let _ = unmount(&self.root, UnmountFlags::DETACH);
        }
    }
}
