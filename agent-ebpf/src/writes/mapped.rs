//! Stores through a mapping on ext4, where they grow the file.
//!
//! A fault reserves a block for each hole, like a write, but without the inode's lock. Stores to blocks
//! that the file has already are seen by no tracepoint.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};

use super::{count, directory_of};
use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    offsets::{INODE_SB, RESERVE_HAS_COUNT, SB_BLOCK_SIZE},
    write_lock,
};

/// `(inode)` or `(inode, blocks)`
#[btf_tracepoint]
pub fn ext4_mapped_btf(ctx: BtfTracePointContext) -> i32 {
    let blocks = if RESERVE_HAS_COUNT.load() == 1 { ctx.arg::<i32>(1) } else { 1 };
    reserved::<Direct>(ctx.arg(0), blocks);
    0
}

/// `(inode)` or `(inode, blocks)`
#[raw_tracepoint]
pub fn ext4_mapped_raw(ctx: RawTracePointContext) -> i32 {
    let blocks = if RESERVE_HAS_COUNT.load() == 1 { ctx.arg::<i32>(1) } else { 1 };
    reserved::<Copied>(ctx.arg(0), blocks);
    0
}

#[inline(always)]
fn reserved<F: Follow>(inode: Kernel, blocks: i32) {
    // Where the lock is of another kind, a store cannot be told from a write.
    if write_lock::is_known() && !write_lock::is_own::<F>(inode) {
        let block = F::long(F::pointer(inode, INODE_SB.load()), SB_BLOCK_SIZE.load());
        count::<F>(inode, block * u64::from(blocks.unsigned_abs()), || directory_of::<F>(inode));
    }
}
