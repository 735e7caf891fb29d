//! Where the fields of tracepoint records lie on the running kernel, read from its tracefs by user space
//! and set at load.
//!
//! 0 is a field that the kernel does not have: every record begins with its own type.

use aya_ebpf::{Global, programs::TracePointContext};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<u64> = Global::new(0);)*
    };
}

fields! {
    /// `cgroup_mkdir`: number of the hierarchy
    MKDIR_ROOT,
    /// `cgroup_mkdir`: cgroup id
    MKDIR_ID,
    /// `cgroup_rmdir`: number of the hierarchy
    RMDIR_ROOT,
    /// `cgroup_rmdir`: cgroup id
    RMDIR_ID,
    /// `mark_victim`: thread group
    VICTIM_PID,
    /// `mark_victim`: where the command name lies in the record; since 6.10
    VICTIM_COMM,
    /// `ext4_da_write_end`: filesystem
    DA_WRITE_END_DEV,
    /// `ext4_da_write_end`: inode
    DA_WRITE_END_INO,
    /// `ext4_da_write_end`: bytes
    DA_WRITE_END_COPIED,
    /// `ext4_write_end`: filesystem
    WRITE_END_DEV,
    /// `ext4_write_end`: inode
    WRITE_END_INO,
    /// `ext4_write_end`: bytes
    WRITE_END_COPIED,
    /// `ext4_journalled_write_end`: filesystem
    JOURNALLED_WRITE_END_DEV,
    /// `ext4_journalled_write_end`: inode
    JOURNALLED_WRITE_END_INO,
    /// `ext4_journalled_write_end`: bytes
    JOURNALLED_WRITE_END_COPIED,
    /// `xfs_file_buffered_write`: filesystem
    XFS_BUFFERED_DEV,
    /// `xfs_file_buffered_write`: inode
    XFS_BUFFERED_INO,
    /// `xfs_file_buffered_write`: bytes
    XFS_BUFFERED_COUNT,
    /// `xfs_file_direct_write`: filesystem
    XFS_DIRECT_DEV,
    /// `xfs_file_direct_write`: inode
    XFS_DIRECT_INO,
    /// `xfs_file_direct_write`: bytes
    XFS_DIRECT_COUNT,
}

/// The field at `offset` of the record; all zeros if it cannot be read.
#[inline(always)]
pub fn int(ctx: &TracePointContext, offset: &Global<u64>) -> u32 {
    // SAFETY: the helper behind it refuses bad addresses.
    unsafe { ctx.read_at(offset.load() as usize) }.unwrap_or(0)
}

/// As [`int`], for fields of eight bytes.
#[inline(always)]
pub fn long(ctx: &TracePointContext, offset: &Global<u64>) -> u64 {
    // SAFETY: as above.
    unsafe { ctx.read_at(offset.load() as usize) }.unwrap_or(0)
}
