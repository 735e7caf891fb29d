//! xfs: whenever an inode was locked to be changed. Blocks, reserved ones included, are taken and
//! given back under that lock alone.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};

use super::{Event, look};
use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    offsets::{XFS_BLOCKS, XFS_DELAYED, XFS_INODE},
};

/// `XFS_ILOCK_EXCL`
const TO_BE_CHANGED: u32 = 1 << 2;

/// `(xfs_inode, lock_flags, …)`, before the lock is taken: what the file holds before it grows.
#[btf_tracepoint]
pub fn xfs_lock_btf(ctx: BtfTracePointContext) -> i32 {
    locked::<Direct>(ctx.arg(0), ctx.arg(1));
    0
}

/// `(xfs_inode, lock_flags, …)`, before the lock is taken: what the file holds before it grows.
#[raw_tracepoint]
pub fn xfs_lock_raw(ctx: RawTracePointContext) -> i32 {
    locked::<Copied>(ctx.arg(0), ctx.arg(1));
    0
}

/// `(xfs_inode, lock_flags, …)`, after the lock was given back.
#[btf_tracepoint]
pub fn xfs_unlock_btf(ctx: BtfTracePointContext) -> i32 {
    locked::<Direct>(ctx.arg(0), ctx.arg(1));
    0
}

/// `(xfs_inode, lock_flags, …)`, after the lock was given back.
#[raw_tracepoint]
pub fn xfs_unlock_raw(ctx: RawTracePointContext) -> i32 {
    locked::<Copied>(ctx.arg(0), ctx.arg(1));
    0
}

#[inline(always)]
fn locked<F: Follow>(file: Kernel, flags: u32) {
    if flags & TO_BE_CHANGED == 0 {
        return;
    }
    let inode = file.wrapping_byte_add(XFS_INODE.load() as usize);
    let held = |block| {
        let blocks =
            F::long(file, XFS_BLOCKS.load()).wrapping_add(F::long(file, XFS_DELAYED.load()));
        blocks as i64 * block
    };
    // A file that is not known is met here before it grows: it has grown by nothing yet.
    look::<F>(inode, held, Event::grown(0));
}
