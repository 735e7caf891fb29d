//! Writes that go through iomap, piece by piece: what the piece before has really taken.
//!
//! Direct writes of every filesystem, and the buffered ones of xfs. The tracepoint runs in the writer's task
//! also when the write itself ends later, and after a piece was submitted, so what falls back to a buffered
//! write is not counted twice.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use evictd_common::Probe;

use super::{count, directory_of};
use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{DIRECT, dropped},
    offsets::{
        INODE_SB, IOMAP_FLAGS, IOMAP_INODE, IOMAP_MAPPED, IOMAP_POSITION, IOMAP_PROCESSED,
        IOMAP_START, SB_MAGIC,
    },
};

/// `IOMAP_WRITE`
const WRITE: u32 = 1 << 0;
/// `IOMAP_FAULT`
const FAULT: u32 = 1 << 3;
/// `IOMAP_DIRECT`
const DIRECTLY: u32 = 1 << 4;
/// `IOMAP_UNSHARE`
const UNSHARE: u32 = 1 << 7;
/// `XFS_SUPER_MAGIC`
const XFS: u64 = 0x5846_5342;

/// `(iomap_iter, …)`: counts everything.
#[btf_tracepoint]
pub fn iomap_btf(ctx: BtfTracePointContext) -> i32 {
    counted::<Direct>(ctx.arg(0));
    0
}

/// `(iomap_iter, …)`: counts everything.
#[raw_tracepoint]
pub fn iomap_raw(ctx: RawTracePointContext) -> i32 {
    counted::<Copied>(ctx.arg(0));
    0
}

/// `(iomap_iter, …)`: beside fexit of the calls, which knows all but how long a direct write is that
/// ends later.
#[btf_tracepoint]
pub fn iomap_beside_btf(ctx: BtfTracePointContext) -> i32 {
    beside_calls::<Direct>(ctx.arg(0));
    0
}

#[inline(always)]
fn counted<F: Follow>(iter: Kernel) {
    let flags = F::int(iter, IOMAP_FLAGS.load());
    if flags & WRITE == 0 || flags & (FAULT | UNSHARE) != 0 {
        return;
    }
    let inode = F::pointer(iter, IOMAP_INODE.load());
    // Others may come to buffer their writes this way, but have hooks of their own.
    if flags & DIRECTLY != 0 || is_xfs::<F>(inode) {
        count::<F>(inode, taken::<F>(iter), || directory_of::<F>(inode));
    }
}

#[inline(always)]
fn beside_calls<F: Follow>(iter: Kernel) {
    let flags = F::int(iter, IOMAP_FLAGS.load());
    if flags & WRITE == 0 || flags & DIRECTLY == 0 {
        return;
    }
    let task = bpf_get_current_pid_tgid();
    let before = if is_first::<F>(iter) {
        0
    } else {
        // SAFETY: only this task has this key.
        unsafe { DIRECT.get(task) }.copied().unwrap_or(0)
    };
    if DIRECT.insert(task, before + taken::<F>(iter), 0).is_err() {
        dropped(Probe::Writes);
    }
}

/// Whether this is called before the first piece.
#[inline(always)]
fn is_first<F: Follow>(iter: Kernel) -> bool {
    F::long(iter, IOMAP_MAPPED.load()) == 0
}

/// Bytes that the last piece has taken.
#[inline(always)]
fn taken<F: Follow>(iter: Kernel) -> u64 {
    // Until 6.14 the iterator keeps the number (or an error), since then where the piece began.
    let taken = if IOMAP_PROCESSED.load() != 0 {
        F::long(iter, IOMAP_PROCESSED.load()) as i64
    } else if !is_first::<F>(iter) {
        F::long(iter, IOMAP_POSITION.load()).wrapping_sub(F::long(iter, IOMAP_START.load())) as i64
    } else {
        0
    };
    if taken > 0 { taken as u64 } else { 0 }
}

#[inline(always)]
fn is_xfs<F: Follow>(inode: Kernel) -> bool {
    F::long(F::pointer(inode, INODE_SB.load()), SB_MAGIC.load()) == XFS
}
