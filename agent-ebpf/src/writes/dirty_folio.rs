//! Folios that become dirty, on any filesystem that is watched.
//!
//! As the last resort, all of them: what is written again before it is written back counts once, and
//! every folio counts whole; direct writes make none dirty. Beside other hooks, those that no write
//! makes dirty: stores through a mapping.

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
    write_lock,
};

/// `PAGE_SIZE` on the processors that there are probes for.
const PAGE: u64 = 4096;

macro_rules! dirty_folio {
    ($($btf:ident, $raw:ident, $counts:expr;)*) => {$(
        /// `(folio, mapping)`
        #[btf_tracepoint]
        pub fn $btf(ctx: BtfTracePointContext) -> i32 {
            dirty::<Direct>(ctx.arg(0), ctx.arg(1), $counts);
            0
        }

        /// `(folio, mapping)`
        #[raw_tracepoint]
        pub fn $raw(ctx: RawTracePointContext) -> i32 {
            dirty::<Copied>(ctx.arg(0), ctx.arg(1), $counts);
            0
        }
    )*};
}

/// Which folios are counted.
#[derive(PartialEq, Eq)]
enum Counts {
    All,
    Stores,
}

dirty_folio! {
    dirty_folio_btf, dirty_folio_raw, Counts::All;
    stores_btf, stores_raw, Counts::Stores;
}

#[inline(always)]
fn dirty<F: Follow>(folio: Kernel, mapping: Kernel, counts: Counts) {
    if mapping.is_null() {
        return;
    }
    let inode = F::pointer(mapping, MAPPING_INODE.load());
    // A write holds the inode's lock, a store does not. Where the lock is of another kind, they cannot
    // be told apart.
    if counts == Counts::Stores && (!write_lock::is_known() || write_lock::is_own::<F>(inode)) {
        return;
    }
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
    let is_large = FOLIO_PAGES.load() != 0
        && Copied::long(folio, FOLIO_FLAGS.load()) >> FOLIO_IS_LARGE.load() & 1 == 1;
    if is_large { Copied::int(folio, FOLIO_PAGES.load()).into() } else { 1 }
}
