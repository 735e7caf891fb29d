//! ext4: its reserve, allocate and free tracepoints.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use evictd_common::Growing;

use super::{Event, look};
use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::GROWING,
    offsets::{
        EXT4_INODE, EXT4_REQUEST_FLAGS, EXT4_REQUEST_INODE, EXT4_REQUEST_LENGTH, EXT4_RESERVED,
        INODE_BLOCKS, RESERVE_HAS_COUNT,
    },
    write_lock,
};

/// `EXT4_MB_DELALLOC_RESERVED`: the blocks were reserved before.
const RESERVED_BEFORE: u32 = 0x400;
/// `EXT4_FREE_BLOCKS_NO_QUOT_UPDATE`: the inode's figures do not change.
const FIGURES_STAY: i32 = 0x8;
/// Unit of `i_blocks`.
const SECTOR: i64 = 512;

macro_rules! ext4 {
    ($($(#[$doc:meta])* $btf:ident, $raw:ident, |$ctx:ident, $follow:ident| $body:block)*) => {$(
        $(#[$doc])*
        #[btf_tracepoint]
        pub fn $btf($ctx: BtfTracePointContext) -> i32 {
            type $follow = Direct;
            $body;
            0
        }

        $(#[$doc])*
        #[raw_tracepoint]
        pub fn $raw($ctx: RawTracePointContext) -> i32 {
            type $follow = Copied;
            $body;
            0
        }
    )*};
}

ext4! {
    /// `(inode)` or `(inode, blocks)`; in the writer's task, after the figures. A write of many blocks
    /// to the file of the last write is looked at when it ends.
    ext4_reserve_btf, ext4_reserve_raw, |ctx, F| {
        let blocks = if RESERVE_HAS_COUNT.load() == 1 { ctx.arg::<i32>(1).into() } else { 1 };
        let inode: Kernel = ctx.arg(0);
        if !look_later::<F>(inode, blocks) {
            see::<F>(inode, Event::grown(blocks));
        }
    }

    /// `(inode, …)`; a write to a page or more ends.
    ext4_written_btf, ext4_written_raw, |ctx, F| {
        let inode: Kernel = ctx.arg(0);
        let blocks = taken_by(inode);
        if blocks > 0 {
            see::<F>(inode, Event::grown(blocks));
        }
    }

    /// `(inode, blocks)`; before the figures.
    ext4_unreserve_btf, ext4_unreserve_raw, |ctx, F| {
        see::<F>(ctx.arg(0), Event::falling(ctx.arg::<i32>(1).into()));
    }

    /// `(allocation request, block)`; after the figures, in the writer's task unless the blocks were
    /// reserved before.
    ext4_allocate_btf, ext4_allocate_raw, |ctx, F| {
        let request: Kernel = ctx.arg(0);
        let inode = F::pointer(request, EXT4_REQUEST_INODE.load());
        if F::int(request, EXT4_REQUEST_FLAGS.load()) & RESERVED_BEFORE == 0 {
            see::<F>(inode, Event::grown(F::int(request, EXT4_REQUEST_LENGTH.load()).into()));
        } else {
            see::<F>(inode, Event::LOOK);
        }
    }

    /// `(inode, blocks, claimed)`; before the figures. Claimed blocks only move.
    ext4_update_reserve_btf, ext4_update_reserve_raw, |ctx, F| {
        if ctx.arg::<i32>(2) == 0 {
            see::<F>(ctx.arg(0), Event::falling(ctx.arg::<i32>(1).into()));
        }
    }

    /// `(inode, block, count, flags)`; before the figures, in any task.
    ext4_free_btf, ext4_free_raw, |ctx, F| {
        if ctx.arg::<i32>(3) & FIGURES_STAY == 0 {
            see::<F>(ctx.arg(0), Event::falling(ctx.arg::<u64>(2) as i64));
        }
    }

    /// `(inode)`; the last name and the last descriptor are gone.
    ext4_free_inode_btf, ext4_free_inode_raw, |ctx, F| {
        see::<F>(ctx.arg(0), Event::GONE);
    }
}

#[inline(always)]
fn see<F: Follow>(inode: Kernel, event: Event) {
    look::<F>(inode, |block| held_now::<F>(inode, block), event);
}

/// Whether the end of a write will come and look at the file. Such a write holds the inode's lock; a
/// store through a mapping does not, and has no end.
#[inline(always)]
fn look_later<F: Follow>(inode: Kernel, blocks: i64) -> bool {
    let Some(growing) = GROWING.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    let growing = unsafe { &mut *growing };
    if growing.address != inode as u64 {
        // The first look also names the owner, so it does not wait.
        *growing = Growing { address: inode as u64, blocks: 0 };
        return false;
    }
    // Kernels with another kind of lock: look at once.
    if !write_lock::is_known() || !write_lock::is_own::<F>(inode) {
        return false;
    }
    growing.blocks += blocks as u64;
    true
}

/// Blocks that the write that ends has taken and that were not looked at.
#[inline(always)]
fn taken_by(inode: Kernel) -> i64 {
    let Some(growing) = GROWING.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: as above.
    let growing = unsafe { &mut *growing };
    if growing.address != inode as u64 {
        return 0;
    }
    let blocks = growing.blocks as i64;
    growing.blocks = 0;
    blocks
}

/// Bytes of blocks that the file holds, those that are only reserved included.
#[inline(always)]
fn held_now<F: Follow>(inode: Kernel, block: i64) -> i64 {
    // Beyond `struct inode`, so the verifier knows no type for it.
    let reserved = EXT4_RESERVED.load() - EXT4_INODE.load();
    F::long(inode, INODE_BLOCKS.load()) as i64 * SECTOR
        + i64::from(Copied::int(inode, reserved)) * block
}
