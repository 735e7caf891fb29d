//! Blocks that files take and give back, on ext4.
//!
//! Every hook reads what the inode holds now: its blocks plus those only reserved, as `stat` tells
//! it. What that differs from the last reading is charged to the file's owner. Delayed allocation
//! moves blocks from reserved to allocated, which changes nothing here. Some tracepoints come before
//! the figures change; those correct the reading by what they announce.

use core::intrinsics::{AtomicOrdering, atomic_xchg};

use aya_ebpf::{
    helpers::{bpf_get_current_cgroup_id, bpf_get_current_task},
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use evictd_common::{FileKey, Growing, Held, LogDirectory, Probe, Space, SpaceOwner};

use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{GROWING, INODES, LOG_WRITES, SPACE, WATCHED, dropped, slot_of},
    offsets::{
        EXT4_INODE, EXT4_REQUEST_FLAGS, EXT4_REQUEST_INODE, EXT4_REQUEST_LENGTH, EXT4_RESERVED,
        INODE_BLOCKS, INODE_INO, INODE_LOCK_OWNER, INODE_SB, RESERVE_HAS_COUNT, SB_BLOCK_SIZE,
        SB_DEV,
    },
    writes::directory_of,
};

/// `EXT4_MB_DELALLOC_RESERVED`: the blocks were reserved before.
const RESERVED_BEFORE: u32 = 0x400;
/// `EXT4_FREE_BLOCKS_NO_QUOT_UPDATE`: the inode's figures do not change.
const FIGURES_STAY: i32 = 0x8;
/// Unit of `i_blocks`.
const SECTOR: i64 = 512;
/// `BPF_NOEXIST`
const IF_ABSENT: u64 = 1;

/// What an event says; all in blocks of the filesystem.
enum Event {
    /// The current task has made the file larger by so much.
    Grown(i64),
    /// The file's figures are about to fall by so much.
    Falling(i64),
    /// The figures may have changed.
    Look,
    /// The file is gone, but for blocks still reserved.
    Gone,
}

macro_rules! ext4 {
    ($($(#[$doc:meta])* $btf:ident, $raw:ident, |$ctx:ident, $follow:ident| $event:expr;)*) => {$(
        $(#[$doc])*
        #[btf_tracepoint]
        pub fn $btf($ctx: BtfTracePointContext) -> i32 {
            type $follow = Direct;
            if let Some((inode, event)) = $event {
                look::<$follow>(inode, event);
            }
            0
        }

        $(#[$doc])*
        #[raw_tracepoint]
        pub fn $raw($ctx: RawTracePointContext) -> i32 {
            type $follow = Copied;
            if let Some((inode, event)) = $event {
                look::<$follow>(inode, event);
            }
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
        (!look_later::<F>(inode, blocks)).then_some((inode, Event::Grown(blocks)))
    };

    /// `(inode, …)`; a write to a page or more ends.
    ext4_written_btf, ext4_written_raw, |ctx, F| {
        let inode: Kernel = ctx.arg(0);
        taken_by(inode).map(|blocks| (inode, Event::Grown(blocks)))
    };

    /// `(inode, blocks)`; before the figures.
    ext4_unreserve_btf, ext4_unreserve_raw, |ctx, F| {
        Some((ctx.arg::<Kernel>(0), Event::Falling(ctx.arg::<i32>(1).into())))
    };

    /// `(allocation request, block)`; after the figures, in the writer's task unless the blocks were
    /// reserved before.
    ext4_allocate_btf, ext4_allocate_raw, |ctx, F| {
        let request: Kernel = ctx.arg(0);
        let inode = F::pointer(request, EXT4_REQUEST_INODE.load());
        let event = if F::int(request, EXT4_REQUEST_FLAGS.load()) & RESERVED_BEFORE == 0 {
            Event::Grown(F::int(request, EXT4_REQUEST_LENGTH.load()).into())
        } else {
            Event::Look
        };
        Some((inode, event))
    };

    /// `(inode, blocks, claimed)`; before the figures. Claimed blocks only move.
    ext4_update_reserve_btf, ext4_update_reserve_raw, |ctx, F| {
        let (blocks, claimed) = (ctx.arg::<i32>(1), ctx.arg::<i32>(2));
        (claimed == 0).then(|| (ctx.arg::<Kernel>(0), Event::Falling(blocks.into())))
    };

    /// `(inode, block, count, flags)`; before the figures, in any task.
    ext4_free_btf, ext4_free_raw, |ctx, F| {
        let (count, flags) = (ctx.arg::<u64>(2), ctx.arg::<i32>(3));
        (flags & FIGURES_STAY == 0).then(|| (ctx.arg::<Kernel>(0), Event::Falling(count as i64)))
    };

    /// `(inode)`; the last name and the last descriptor are gone.
    ext4_free_inode_btf, ext4_free_inode_raw, |ctx, F| {
        Some((ctx.arg::<Kernel>(0), Event::Gone))
    };
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
    if INODE_LOCK_OWNER.load() == 0 {
        return false;
    }
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task() };
    // The lowest bits are flags.
    if F::long(inode, INODE_LOCK_OWNER.load()) & !7 != task {
        return false;
    }
    growing.blocks += blocks as u64;
    true
}

/// Blocks that the write that ends has taken and that were not looked at.
#[inline(always)]
fn taken_by(inode: Kernel) -> Option<i64> {
    // SAFETY: as above.
    let growing = unsafe { &mut *GROWING.get_ptr_mut(0)? };
    if growing.address != inode as u64 || growing.blocks == 0 {
        return None;
    }
    let blocks = growing.blocks as i64;
    growing.blocks = 0;
    Some(blocks)
}

#[inline(always)]
fn look<F: Follow>(inode: Kernel, event: Event) {
    let sb = F::pointer(inode, INODE_SB.load());
    let dev = F::int(sb, SB_DEV.load());
    if WATCHED.get(0).and_then(|watched| slot_of(watched, dev)).is_none() {
        return;
    }
    let block = F::long(sb, SB_BLOCK_SIZE.load()) as i64;
    let key = FileKey { inode: F::long(inode, INODE_INO.load()), dev, reserved: 0 };
    let Some(held) = INODES.get_ptr_mut(key) else {
        match event {
            Event::Grown(blocks) => {
                let owner = owner_now::<F>(inode, dev);
                let held = Held {
                    owner: owner.id,
                    is_log_directory: owner.is_log_directory,
                    reserved: 0,
                    bytes: held_now::<F>(inode, block),
                };
                if INODES.insert(key, held, IF_ABSENT).is_err() {
                    dropped(Probe::Space);
                }
                charge_new(owner, blocks * block);
            }
            Event::Falling(blocks) => charge_new(SpaceOwner::nobody(dev), -blocks * block),
            Event::Look | Event::Gone => {}
        }
        return;
    };
    let now = match event {
        Event::Falling(blocks) => held_now::<F>(inode, block) - blocks * block,
        _ => held_now::<F>(inode, block),
    };
    // SAFETY: the pointer comes from a map lookup; `bytes` is only ever changed atomically.
    let before =
        unsafe { atomic_xchg::<i64, { AtomicOrdering::SeqCst }>(&raw mut (*held).bytes, now) };
    let change = now - before;
    if matches!(event, Event::Gone) && now == 0 {
        // Blocks that are reserved to the end are released after this; the entry stays for them.
        let _ = INODES.remove(key);
    }
    if change == 0 {
        return;
    }
    // SAFETY: as above.
    let owner = unsafe {
        SpaceOwner { id: (*held).owner, dev, is_log_directory: (*held).is_log_directory }
    };
    let grown = change > 0 && matches!(event, Event::Grown(_));
    if !(grown && before == 0) && charge(owner, change) {
        return;
    }
    // A file that grows from nothing (its number may be another file's) or whose owner is gone
    // belongs to who grows it.
    let owner = if grown { owner_now::<F>(inode, dev) } else { SpaceOwner::nobody(dev) };
    if grown {
        // SAFETY: as above; two growers at once settle on one of them.
        unsafe {
            (*held).owner = owner.id;
            (*held).is_log_directory = owner.is_log_directory;
        }
    }
    charge_new(owner, change);
}

/// Bytes of blocks that the file holds, those that are only reserved included.
#[inline(always)]
fn held_now<F: Follow>(inode: Kernel, block: i64) -> i64 {
    // Beyond `struct inode`, so the verifier knows no type for it.
    let reserved = EXT4_RESERVED.load() - EXT4_INODE.load();
    F::long(inode, INODE_BLOCKS.load()) as i64 * SECTOR
        + i64::from(Copied::int(inode, reserved)) * block
}

/// Who owns a file that grows now for the first time: its log directory, else the current cgroup.
#[inline(always)]
fn owner_now<F: Follow>(inode: Kernel, dev: u32) -> SpaceOwner {
    let directory = LogDirectory { inode: directory_of::<F>(inode), dev, reserved: 0 };
    if LOG_WRITES.get_ptr_mut(directory).is_some() {
        return SpaceOwner::log_directory(directory.inode, dev);
    }
    // SAFETY: no preconditions.
    SpaceOwner::cgroup(unsafe { bpf_get_current_cgroup_id() }, dev)
}

/// Adds to an owner that is known. False if it is not.
#[inline(always)]
fn charge(owner: SpaceOwner, change: i64) -> bool {
    let Some(space) = SPACE.get_ptr_mut(owner) else {
        return false;
    };
    let change = of(change);
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    unsafe {
        (*space).grown += change.grown;
        (*space).released += change.released;
    }
    true
}

/// Adds to an owner, known or not. A full map counts to nobody.
#[inline(always)]
fn charge_new(owner: SpaceOwner, change: i64) {
    if charge(owner, change) || SPACE.insert(owner, of(change), IF_ABSENT).is_ok() {
        return;
    }
    // Another CPU was first, or the map is full.
    if !charge(owner, change) {
        charge(SpaceOwner::nobody(owner.dev), change);
        dropped(Probe::Space);
    }
}

#[inline(always)]
const fn of(change: i64) -> Space {
    if change > 0 {
        Space { grown: change as u64, released: 0 }
    } else {
        Space { grown: 0, released: change.unsigned_abs() }
    }
}
