//! Folios that become dirty, on any filesystem that is watched: the last resort.
//!
//! What is written again before it is written back counts once, and every folio counts whole. Direct
//! writes make no folio dirty. Stores through a mapping do.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};

use super::{count, directory_of};
use crate::{
    btrfs::is_metadata,
    kernel::{Copied, Direct, Follow, Kernel},
    kernel_thread::is_kernel_thread,
    maps::{WATCHED, slot_of},
    offsets::{FOLIO_FLAGS, FOLIO_IS_LARGE, FOLIO_PAGES, INODE_SB, MAPPING_INODE, SB_DEV},
};

/// `PAGE_SIZE` on the processors that there are probes for.
const PAGE: u64 = 4096;

/// `(folio, mapping)`
#[btf_tracepoint]
pub fn dirty_folio_btf(ctx: BtfTracePointContext) -> i32 {
    dirty::<Direct>(ctx.arg(0), ctx.arg(1));
    0
}

/// `(folio, mapping)`
#[raw_tracepoint]
pub fn dirty_folio_raw(ctx: RawTracePointContext) -> i32 {
    dirty::<Copied>(ctx.arg(0), ctx.arg(1));
    0
}

#[inline(always)]
fn dirty<F: Follow>(folio: Kernel, mapping: Kernel) {
    if mapping.is_null() {
        return;
    }
    let inode = F::pointer(mapping, MAPPING_INODE.load());
    let superblock = F::pointer(inode, INODE_SB.load());
    let device = F::int(superblock, SB_DEV.load());
    // Memory filesystems and block devices have dirty folios too, and write-back makes a folio dirty
    // again that it cannot write now.
    let is_watched = WATCHED.get(0).is_some_and(|watched| slot_of(watched, device).is_some());
    if !is_watched || is_kernel_thread() || is_metadata::<F>(inode, superblock) {
        return;
    }
    count::<F>(inode, pages(folio) * PAGE, || directory_of::<F>(inode));
}

/// The number of pages is in a union, of which the verifier knows another member first.
#[inline(always)]
fn pages(folio: Kernel) -> u64 {
    let is_large = Copied::long(folio, FOLIO_FLAGS.load()) >> FOLIO_IS_LARGE.load() & 1 == 1;
    if is_large { Copied::int(folio, FOLIO_PAGES.load()).into() } else { 1 }
}
