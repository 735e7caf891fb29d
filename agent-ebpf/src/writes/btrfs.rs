//! Buffered writes on btrfs: ranges that are marked as to be written back.
//!
//! A range is of whole blocks and is announced before the write's end is known; what the write makes
//! the file longer is known when its reservation is settled, in the same task. So what is appended is
//! counted by the byte, what is overwritten by the block.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use evictd_common::{DirtyRange, Probe};

use super::{count, directory_of};
use crate::{
    btrfs::{file_of_tree, hooks},
    kernel::{Copied, Follow, Kernel},
    maps::{DIRTY_RANGES, dropped},
    offsets::{BTRFS_DELALLOC, INODE_INO, INODE_SB, INODE_SIZE, SB_BLOCK_SIZE},
};

hooks! {
    /// `(extent_io_tree, start, length, bits)`
    btrfs_dirty_btf, btrfs_dirty_raw, |ctx| dirty(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    /// `(root, inode number, change, …)`
    btrfs_settled_btf, btrfs_settled_raw, |ctx| settled(ctx.arg(1), ctx.arg(2));
}

#[inline(always)]
fn dirty(tree: Kernel, start: u64, length: u64, bits: u32) {
    if u64::from(bits) & BTRFS_DELALLOC.load() == 0 {
        return;
    }
    if let Some(inode) = file_of_tree(tree) {
        let size = Copied::long(inode, INODE_SIZE.load());
        let range = DirtyRange { inode: inode as u64, start, length, size };
        if DIRTY_RANGES.insert(bpf_get_current_pid_tgid(), range, 0).is_err() {
            dropped(Probe::Writes);
        }
    }
}

#[inline(always)]
fn settled(number: u64, change: i32) {
    if change >= 0 {
        return;
    }
    let task = bpf_get_current_pid_tgid();
    // SAFETY: only this task has this key.
    let Some(&range) = (unsafe { DIRTY_RANGES.get(task) }) else {
        return;
    };
    let inode = range.inode as Kernel;
    if Copied::long(inode, INODE_INO.load()) != number {
        return;
    }
    let _ = DIRTY_RANGES.remove(task);
    let block = Copied::long(Copied::pointer(inode, INODE_SB.load()), SB_BLOCK_SIZE.load());
    let bytes = range.written(Copied::long(inode, INODE_SIZE.load()), block);
    count::<Copied>(inode, bytes, || directory_of::<Copied>(inode));
}
