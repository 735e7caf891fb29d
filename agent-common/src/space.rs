//! Space held on a filesystem, by owner.
//!
//! An owner is the cgroup that grew a file from nothing, or the log directory the file is in. Whoever
//! frees the blocks later, they are taken off the owner. The kernel keeps what each inode held when
//! it was last seen, so growth and release are differences of the filesystem's own figures: nothing
//! is counted twice, and an event that was missed is made good by the next one.

/// Key of `SPACE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct SpaceOwner {
    /// cgroup v2 id, or inode of the log directory; 0 is nobody: blocks whose owner is not known.
    pub id: u64,
    /// Kernel `dev_t` of the filesystem; for a log directory, of the device that `stat` tells.
    pub dev: u32,
    /// 0 for a cgroup, 1 for a log directory.
    pub is_log_directory: u32,
}

impl SpaceOwner {
    /// A cgroup's blocks on a filesystem.
    pub const fn cgroup(id: u64, dev: u32) -> Self {
        Self { id, dev, is_log_directory: 0 }
    }

    /// The blocks of the files in a log directory.
    pub const fn log_directory(inode: u64, dev: u32) -> Self {
        Self { id: inode, dev, is_log_directory: 1 }
    }

    /// Blocks whose owner is not known: files that grew before the probe was loaded, whose owner is
    /// gone, or that fell out of the table of inodes.
    pub const fn nobody(dev: u32) -> Self {
        Self::cgroup(0, dev)
    }
}

/// Value of `SPACE`, per CPU, ever growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Space {
    /// Bytes of blocks taken.
    pub grown: u64,
    /// Bytes of blocks given back.
    pub released: u64,
    /// Bytes of blocks that tasks of this cgroup gave back for files whose owner was not known: whoever
    /// owns them holds so much less than its account says.
    pub stray: u64,
}

impl Space {
    /// What is held of what was taken since counting began; below zero where older blocks were given back.
    pub const fn net(self) -> i64 {
        self.grown.wrapping_sub(self.released) as i64
    }
}

impl core::ops::Add for Space {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            grown: self.grown.wrapping_add(other.grown),
            released: self.released.wrapping_add(other.released),
            stray: self.stray.wrapping_add(other.stray),
        }
    }
}

/// Key of `INODES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct FileKey {
    /// Inode number.
    pub inode: u64,
    /// Kernel `dev_t` of the device that `stat` tells, which on btrfs is the subvolume's.
    pub dev: u32,
    /// Always zero.
    pub reserved: u32,
}

/// Value of `INODES`: who owns a file, and what it held when it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Held {
    /// The owner's id, see [`SpaceOwner`].
    pub owner: u64,
    /// See [`SpaceOwner`].
    pub is_log_directory: u32,
    /// Always zero.
    pub reserved: u32,
    /// Bytes of blocks, those that are only reserved included: what `stat` tells. Signed, because
    /// the difference of two is.
    pub bytes: i64,
    /// Another number after each look at the file itself, and never 0.
    pub looks: u64,
}

/// Value of `GROWING`, one a CPU: the file that writes there take blocks for. It is looked at when it
/// has taken some more, not once a write; until then readers add [`pending`](Self::pending) to its
/// owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Growing {
    /// Address of the inode in the kernel, and its number: addresses are used again.
    pub address: u64,
    /// Number of the inode.
    pub inode: u64,
    /// cgroup v2 id of the writer: a file that grows from nothing may be another cgroup's now.
    pub cgroup_id: u64,
    /// Kernel `dev_t` of the filesystem.
    pub dev: u32,
    /// Bytes of a block.
    pub block: u32,
    /// [`Held::looks`] after the last look from this CPU; 0 if the file is not known.
    pub looks: u64,
    /// Blocks that the write that goes on has taken.
    pub blocks: u64,
    /// Blocks that writes have taken that ended since the last look.
    pub pending: u64,
}

impl Growing {
    /// A file is looked at when it has taken so many blocks.
    pub const MOST_PENDING: u64 = 32;

    /// The file.
    pub const fn key(&self) -> FileKey {
        FileKey { inode: self.inode, dev: self.dev, reserved: 0 }
    }

    /// Bytes that are in no account yet, given what is known of the file. None if somebody else has
    /// looked at it since: they were seen then.
    pub const fn pending(&self, held: &Held) -> i64 {
        if self.looks == held.looks {
            (self.blocks + self.pending) as i64 * self.block as i64
        } else {
            0
        }
    }
}

const _: () = {
    assert!(size_of::<SpaceOwner>() == 16);
    assert!(size_of::<Space>() == 24);
    assert!(size_of::<FileKey>() == 16);
    assert!(size_of::<Held>() == 32);
    assert!(size_of::<Growing>() == 56);
};

#[cfg(feature = "user")]
mod pod {
    use super::{FileKey, Growing, Held, Space, SpaceOwner};

    // SAFETY: repr(C) integers without padding; every bit pattern is valid.
    unsafe impl aya::Pod for SpaceOwner {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Space {}
    // SAFETY: as above.
    unsafe impl aya::Pod for FileKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Held {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Growing {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_counts_until_somebody_else_looks() {
        let growing =
            Growing { block: 4096, looks: 7, blocks: 1, pending: 2, ..Growing::default() };
        let held = |looks| Held { owner: 1, is_log_directory: 0, reserved: 0, bytes: 9, looks };
        assert_eq!(growing.pending(&held(7)), 3 * 4096);
        assert_eq!(growing.pending(&held(8)), 0);
    }
}
