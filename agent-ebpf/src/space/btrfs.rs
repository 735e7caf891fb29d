//! btrfs: whenever states of a file's extents change.
//!
//! Every change of a file's blocks is made between two such events, the first in the task that asked
//! for it: its range is locked, or marked as to be written back, and unlocked or settled afterwards.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use evictd_common::Probe;

use super::{Event, File, look_at};
use crate::{
    btrfs::{btrfs_inode, device_of_subvolume, file_of_tree, hooks},
    kernel::{Copied, Follow, Kernel},
    maps::{GROWING_TASKS, dropped},
    offsets::{
        BTRFS_ADD_INODE_BYTES, BTRFS_DELALLOC, BTRFS_DELALLOC_NEW, BTRFS_NEW_DELALLOC,
        INODE_BLOCKS, INODE_BYTES, INODE_INO, INODE_LINKS, INODE_SB, INODE_USERS, SB_DEV,
    },
};

/// Unit of `i_blocks`.
const SECTOR: u64 = 512;

hooks! {
    /// `(extent_io_tree, start, length, bits)`; before the figures.
    btrfs_set_btf, btrfs_set_raw, |ctx| set(ctx.arg(0), ctx.arg(3));
    /// `(extent_io_tree, start, length, bits)`; before the figures.
    btrfs_clear_btf, btrfs_clear_raw, |ctx| cleared(ctx.arg(0), ctx.arg(2), ctx.arg(3));
    /// `(root, inode number, change, …)`; a write is settled, after the figures.
    btrfs_grown_btf, btrfs_grown_raw, |ctx| settled(ctx.arg(1), ctx.arg(2));
    /// `(inode)`; nobody has it open any more.
    btrfs_evict_btf, btrfs_evict_raw, |ctx| evicted(ctx.arg(0));
}

#[inline(always)]
fn set(tree: Kernel, bits: u32) {
    let Some(inode) = file_of_tree(tree) else {
        return;
    };
    see(inode, 0);
    if u64::from(bits) & BTRFS_DELALLOC.load() != 0
        && GROWING_TASKS.insert(bpf_get_current_pid_tgid(), inode as u64, 0).is_err()
    {
        dropped(Probe::Space);
    }
}

#[inline(always)]
fn cleared(tree: Kernel, length: u64, bits: u32) {
    if let Some(inode) = file_of_tree(tree) {
        let bits = u64::from(bits);
        // With the other bit they only become the inode's own.
        let given_up =
            bits & BTRFS_DELALLOC_NEW.load() != 0 && bits & BTRFS_ADD_INODE_BYTES.load() == 0;
        see(inode, if given_up { length } else { 0 });
    }
}

#[inline(always)]
fn settled(number: u64, change: i32) {
    let task = bpf_get_current_pid_tgid();
    if change >= 0 {
        return;
    }
    // SAFETY: only this task has this key.
    let Some(&inode) = (unsafe { GROWING_TASKS.get(task) }) else {
        return;
    };
    let inode = inode as Kernel;
    if Copied::long(inode, INODE_INO.load()) == number {
        let _ = GROWING_TASKS.remove(task);
        see(inode, 0);
    }
}

#[inline(always)]
fn evicted(inode: Kernel) {
    if Copied::int(inode, INODE_LINKS.load()) == 0 {
        look_now(inode, 0);
        look_at::<Copied>(inode, file(inode), |_| 0, Event::GONE);
    }
}

/// `given_up`: bytes of a range whose reservation is about to be given up.
#[inline(always)]
fn see(inode: Kernel, given_up: u64) {
    let is_gone =
        Copied::int(inode, INODE_LINKS.load()) == 0 && Copied::int(inode, INODE_USERS.load()) == 0;
    if !is_gone {
        look_now(inode, given_up);
    }
}

#[inline(always)]
fn look_now(inode: Kernel, given_up: u64) {
    let held = |block| held_now(inode, given_up, block);
    look_at::<Copied>(inode, file(inode), held, Event::grown(0));
}

#[inline(always)]
fn file(inode: Kernel) -> File {
    let superblock = Copied::pointer(inode, INODE_SB.load());
    let filesystem = Copied::int(superblock, SB_DEV.load());
    File { superblock, filesystem, device: device_of_subvolume(inode) }
}

/// As `stat` reckons it: what is in extents and what is only to be written, each in whole blocks.
#[inline(always)]
fn held_now(inode: Kernel, given_up: u64, block: i64) -> i64 {
    let odd_bytes = u64::from(Copied::int(inode, INODE_BYTES.load()) & 0xffff);
    let own = Copied::long(inode, INODE_BLOCKS.load()) * SECTOR + odd_bytes;
    let delayed = Copied::long(btrfs_inode(inode), BTRFS_NEW_DELALLOC.load());
    let delayed = delayed.saturating_sub(given_up);
    let whole = |bytes: u64| (bytes as i64 + block - 1) & -block;
    whole(own) + whole(delayed)
}
