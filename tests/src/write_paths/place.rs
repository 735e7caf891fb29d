//! The filesystems that are written to.

use std::{
    ffi::CString,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result};
use evictd::{probe::FsKind, sample::Filesystem};
use evictd_common::kernel_dev;
use rustix::{
    fs::{major, minor},
    mount::{MountFlags, UnmountFlags, mount, unmount},
};
use serde::{Deserialize, Serialize};

use crate::{node::Node, scratch};

/// A filesystem as the writer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The node's own.
    Ext4,
    /// Made for this.
    Xfs,
    /// Made for this.
    Btrfs,
    /// overlayfs, whose upper layer is on the node's ext4: to be counted once, there.
    Overlay,
    /// Memory: to be counted nowhere.
    Tmpfs,
}

impl Place {
    /// All of them, in the order of tables.
    pub const ALL: &[Self] = &[Self::Ext4, Self::Overlay, Self::Xfs, Self::Btrfs, Self::Tmpfs];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Overlay => "overlay",
            Self::Tmpfs => "tmpfs",
        }
    }

    /// The filesystem whose hooks are to see what is written here, or are to see nothing of it.
    pub const fn hooked(self) -> FsKind {
        match self {
            Self::Ext4 | Self::Overlay | Self::Tmpfs => FsKind::Ext4,
            Self::Xfs => FsKind::Xfs,
            Self::Btrfs => FsKind::Btrfs,
        }
    }

    /// Whether what is written here is anybody's business.
    pub const fn is_counted(self) -> bool {
        !matches!(self, Self::Tmpfs)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.iter().map(|place| place.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().find(|place| place.name() == text);
        found.copied().ok_or_else(|| format!("no filesystem {text}; allowed: {}", names()))
    }
}

/// overlayfs or a tmpfs below a node's directory; unmounted on drop, which is to be before the node's.
pub(super) struct Mounted {
    root: PathBuf,
}

impl Mounted {
    /// overlayfs over two directories of the node's filesystem. `Err(reason)` inside where the kernel
    /// has none.
    pub(super) fn overlay(node: &Node) -> Result<Result<Self, String>> {
        let layers = node.nodefs_root().join("pods/overlay");
        let [lower, upper, work] = ["lower", "upper", "work"].map(|name| layers.join(name));
        for dir in [&lower, &upper, &work] {
            fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        let [lower, upper, work] = [lower, upper, work].map(|dir| dir.display().to_string());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        Self::new(Place::Overlay, &options, node)
    }

    /// A tmpfs.
    pub(super) fn tmpfs(node: &Node) -> Result<Result<Self, String>> {
        Self::new(Place::Tmpfs, "size=64m", node)
    }

    fn new(place: Place, options: &str, node: &Node) -> Result<Result<Self, String>> {
        let (name, options) = (place.name(), CString::new(options)?);
        let root = node.dir().join(format!("{}{name}", scratch::PREFIX));
        fs::create_dir(&root)?;
        Ok(match mount(name, &root, name, MountFlags::empty(), Some(options.as_c_str())) {
            Ok(()) => Ok(Self { root }),
            Err(error) => Err(format!("mounting {name}: {error}")),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(e) = unmount(&self.root, UnmountFlags::empty()) {
            eprintln!("{} is busy ({e}): unmounting it lazily", self.root.display());
            // Nothing more can be done about a second failure; the next run sweeps.
            let _ = unmount(&self.root, UnmountFlags::DETACH);
        }
    }
}

/// The number under which the probes know the filesystem that holds `path`.
pub(super) fn dev_of(path: &Path) -> Result<u32> {
    let filesystem = Filesystem::open(path).with_context(|| path.display().to_string())?;
    let dev = filesystem.superblock_dev();
    Ok(kernel_dev(major(dev), minor(dev)))
}
