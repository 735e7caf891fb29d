//! Files that grow write by write are not looked at once a block, nor once a write.
//!
//! Each CPU remembers the file that it grew last. Blocks that writes take for it are only counted,
//! until there are [`Growing::MOST_PENDING`] of them (then the file is looked at) or another file or
//! cgroup is next (then they are charged as counted). User space adds what is pending.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::helpers::bpf_get_current_cgroup_id;
use evictd_common::{Growing, SpaceOwner};

use super::{Event, charge};
use crate::{
    kernel::{Follow, Kernel},
    maps::{GROWING, INODES},
    offsets::{INODE_INO, INODE_SB, SB_BLOCK_SIZE, SB_DEV},
    write_lock,
};

/// A write has taken blocks, in the writer's task.
#[inline(always)]
pub fn taken<F: Follow>(inode: Kernel, blocks: i64, see: impl Fn(Kernel, Event) -> u64) {
    let Some(growing) = GROWING.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    let growing = unsafe { &mut *growing };
    let number = F::long(inode, INODE_INO.load());
    // SAFETY: no preconditions.
    let cgroup_id = unsafe { bpf_get_current_cgroup_id() };
    if growing.address == inode as u64 && growing.inode == number && growing.cgroup_id == cgroup_id
    {
        if has_an_end::<F>(inode) {
            growing.blocks += blocks as u64;
        } else {
            // It sees what is pending as well.
            (growing.blocks, growing.pending) = (0, 0);
            growing.looks = see(inode, Event::grown(blocks));
        }
        return;
    }
    post(growing);
    let sb = F::pointer(inode, INODE_SB.load());
    growing.address = inode as u64;
    growing.inode = number;
    growing.cgroup_id = cgroup_id;
    growing.dev = F::int(sb, SB_DEV.load());
    growing.block = F::long(sb, SB_BLOCK_SIZE.load()) as u32;
    (growing.blocks, growing.pending) = (0, 0);
    // The first look also names the owner, so it does not wait.
    growing.looks = see(inode, Event::grown(blocks));
}

/// Whether the end of a write will be told. Such a write holds the inode's lock; a store through a
/// mapping does not, and has no end.
#[inline(always)]
fn has_an_end<F: Follow>(inode: Kernel) -> bool {
    // Kernels with another kind of lock: looked at once.
    write_lock::is_known() && write_lock::is_own::<F>(inode)
}

/// A write ends.
#[inline(always)]
pub fn ended(inode: Kernel, see: impl Fn(Kernel, Event) -> u64) {
    let Some(growing) = GROWING.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: as above.
    let growing = unsafe { &mut *growing };
    if growing.blocks == 0 || growing.address != inode as u64 {
        return;
    }
    growing.pending += growing.blocks;
    growing.blocks = 0;
    if growing.pending >= Growing::MOST_PENDING || growing.looks == 0 {
        let blocks = growing.pending as i64;
        growing.pending = 0;
        growing.looks = see(inode, Event::grown(blocks));
    }
}

/// Charges what is pending, without the file, which may be gone. What cannot be charged is found by
/// the file's next look, at the latest when it is written back.
#[inline(always)]
fn post(growing: &Growing) {
    if growing.blocks + growing.pending == 0 {
        return;
    }
    let Some(held) = INODES.get_ptr_mut(growing.key()) else {
        return;
    };
    // SAFETY: the pointer comes from a map lookup; `bytes` is only ever changed atomically.
    unsafe {
        let pending = growing.pending(&*held);
        let owner = SpaceOwner {
            id: (*held).owner,
            dev: growing.dev,
            is_log_directory: (*held).is_log_directory,
        };
        // Nobody has a place in every map, full or not.
        if pending > 0
            && (charge(owner, pending) || charge(SpaceOwner::nobody(growing.dev), pending))
        {
            let bytes = &raw mut (*held).bytes;
            atomic_xadd::<i64, i64, { AtomicOrdering::SeqCst }>(bytes, pending);
        }
    }
}
