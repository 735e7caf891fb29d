//! ext4: its reserve, allocate and free tracepoints.

use super::{Event, growing, look};
use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    offsets::{
        EXT4_INODE, EXT4_REQUEST_FLAGS, EXT4_REQUEST_INODE, EXT4_REQUEST_LENGTH, EXT4_RESERVED,
        INODE_BLOCKS, RESERVE_HAS_COUNT,
    },
};
use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
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
    /// `(inode)` or `(inode, blocks)`; in the writer's task, after the figures.
    ext4_reserve_btf, ext4_reserve_raw, |ctx, F| {
        let blocks = if RESERVE_HAS_COUNT.load() == 1 { ctx.arg::<i32>(1).into() } else { 1 };
        growing::taken::<F>(ctx.arg(0), blocks, see::<F>);
    }

    /// `(inode, …)`; a write to a page or more ends. Where the writes are counted at the same
    /// tracepoint, their program does it.
    ext4_written_btf, ext4_written_raw, |ctx, F| {
        write_ended::<F>(ctx.arg(0));
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

/// A write to a page or more ends.
#[inline(always)]
pub fn write_ended<F: Follow>(inode: Kernel) {
    growing::ended(inode, see::<F>);
}

#[inline(always)]
fn see<F: Follow>(inode: Kernel, event: Event) -> u64 {
    look::<F>(inode, |block| held_now::<F>(inode, block), event)
}

/// Bytes of blocks that the file holds, those that are only reserved included.
#[inline(always)]
fn held_now<F: Follow>(inode: Kernel, block: i64) -> i64 {
    // Beyond `struct inode`, so the verifier knows no type for it.
    let reserved = EXT4_RESERVED.load() - EXT4_INODE.load();
    F::long(inode, INODE_BLOCKS.load()) as i64 * SECTOR
        + i64::from(Copied::int(inode, reserved)) * block
}
