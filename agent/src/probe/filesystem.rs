//! The filesystems that probes know.

use std::path::Path;

/// A kind of filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// ext4 (and ext2, ext3 through its driver).
    Ext4,
    /// xfs
    Xfs,
    /// btrfs
    Btrfs,
}

impl FsKind {
    /// The kind of the filesystem at `path`; `None` if it cannot be told or is another.
    pub fn at(path: &Path) -> Option<Self> {
        Self::of_magic(u64::try_from(rustix::fs::statfs(path).ok()?.f_type).ok()?)
    }

    /// The kinds at these paths, or where they would be made, each once.
    pub fn at_each<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<Self> {
        let mut kinds = Vec::new();
        for path in paths {
            let there = path.ancestors().find(|path| path.exists());
            if let Some(kind) = there.and_then(Self::at)
                && !kinds.contains(&kind)
            {
                kinds.push(kind);
            }
        }
        kinds
    }

    const fn of_magic(magic: u64) -> Option<Self> {
        match magic {
            0xef53 => Some(Self::Ext4),
            0x5846_5342 => Some(Self::Xfs),
            0x9123_683e => Some(Self::Btrfs),
            _ => None,
        }
    }

    /// Its name in mount tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}
