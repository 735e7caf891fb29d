//! The filesystems that are written to.

use std::{
    ffi::CString,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result};
use evictd::probe::FsKind;
use evictd_common::kernel_dev;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
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

/// The kernel's number of the filesystem mounted at `root`. Not what `stat` says of its files:
/// btrfs has another number for each subvolume.
pub(super) fn dev_of(root: &Path) -> Result<u32> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
    dev_in(&table, root).with_context(|| format!("nothing is mounted at {}", root.display()))
}

/// In the text of a `mountinfo` file; what is mounted last hides what was there before.
fn dev_in(table: &str, root: &Path) -> Option<u32> {
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(2);
        let (dev, at) = (fields.next()?, fields.nth(1)?);
        (Path::new(at) == root).then_some(dev)
    });
    let (major, minor) = mounts.last()?.split_once(':')?;
    Some(kernel_dev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_mounted_filesystem_is_the_one_on_top() {
        let table = "36 35 98:0 / /mnt rw,noatime shared:1 - ext3 /dev/root rw\n\
                     37 35 0:41 / /mnt/sub rw - btrfs /dev/loop0 rw\n\
                     38 35 7:1 / /mnt rw - ext4 /dev/loop1 rw\n";
        let dev = |root: &str| dev_in(table, Path::new(root));
        assert_eq!(dev("/mnt"), Some(kernel_dev(7, 1)));
        assert_eq!(dev("/mnt/sub"), Some(kernel_dev(0, 41)));
        assert_eq!(dev("/"), None);
    }
}
