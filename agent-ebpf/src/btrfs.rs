//! What btrfs keeps beside `struct inode`.

use crate::{
    kernel::{Copied, Follow, Kernel},
    offsets::{
        BTRFS_INODE, BTRFS_IO_TREE, BTRFS_ROOT, BTRFS_ROOT_DEVICE, INODE_INO, INODE_SB, SB_MAGIC,
    },
};

/// `BTRFS_SUPER_MAGIC`
const MAGIC: u64 = 0x9123_683e;
/// `BTRFS_FIRST_FREE_OBJECTID`: inodes below are the filesystem's own.
const FIRST_FILE: u64 = 256;

/// The device that `stat` tells for a file, given that of its superblock: btrfs has one for each
/// subvolume, and inode numbers are unique only within one.
#[inline(always)]
pub fn device_of_file<F: Follow>(inode: Kernel, superblock: Kernel, device: u32) -> u32 {
    if BTRFS_ROOT_DEVICE.load() == 0 || F::long(superblock, SB_MAGIC.load()) != MAGIC {
        return device;
    }
    device_of_subvolume(inode)
}

/// The same for a file of btrfs.
#[inline(always)]
pub fn device_of_subvolume(inode: Kernel) -> u32 {
    let root = Copied::pointer(btrfs_inode(inode), BTRFS_ROOT.load());
    Copied::int(root, BTRFS_ROOT_DEVICE.load())
}

/// Whether an inode of any filesystem is one in which btrfs keeps its trees.
#[inline(always)]
pub fn is_metadata<F: Follow>(inode: Kernel, superblock: Kernel) -> bool {
    F::long(superblock, SB_MAGIC.load()) == MAGIC && F::long(inode, INODE_INO.load()) < FIRST_FILE
}

/// The `btrfs_inode` around an inode. The verifier knows no type for it.
#[inline(always)]
pub fn btrfs_inode(inode: Kernel) -> Kernel {
    inode.wrapping_byte_sub(BTRFS_INODE.load() as usize)
}

/// The file whose tree of extent states this is; `None` if it is that of something else.
#[inline(always)]
pub fn file_of_tree(tree: Kernel) -> Option<Kernel> {
    let btrfs_inode = tree.wrapping_byte_sub(BTRFS_IO_TREE.load() as usize);
    let inode = btrfs_inode.wrapping_byte_add(BTRFS_INODE.load() as usize);
    let superblock = Copied::pointer(inode, INODE_SB.load());
    let is_file = Copied::long(superblock, SB_MAGIC.load()) == MAGIC
        && Copied::long(inode, INODE_INO.load()) >= FIRST_FILE;
    is_file.then_some(inode)
}

/// A program on a tracepoint of btrfs, for the BTF and for the raw rung: both copy what they read.
macro_rules! hooks {
    ($($(#[$doc:meta])* $btf:ident, $raw:ident, |$ctx:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[btf_tracepoint]
        pub fn $btf($ctx: BtfTracePointContext) -> i32 {
            $body;
            0
        }

        $(#[$doc])*
        #[raw_tracepoint]
        pub fn $raw($ctx: RawTracePointContext) -> i32 {
            $body;
            0
        }
    )*};
}

pub(crate) use hooks;
