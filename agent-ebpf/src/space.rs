//! Blocks that files take and give back.
//!
//! Every hook reads what the inode holds now: its blocks plus those only reserved, as `stat` tells
//! it. What that differs from the last reading is charged to the file's owner. Delayed allocation
//! moves blocks from reserved to allocated, which changes nothing here. Some tracepoints come before
//! the figures change; those correct the reading by what they announce.

mod btrfs;
mod ext4;
mod growing;
mod xfs;

pub use ext4::write_ended;

use core::intrinsics::{AtomicOrdering, atomic_xadd, atomic_xchg};

use aya_ebpf::helpers::{bpf_get_current_cgroup_id, bpf_ktime_get_ns};
use evictd_common::{FileKey, Held, LogDirectory, Probe, Space, SpaceOwner};

use crate::{
    kernel::{Follow, Kernel},
    kernel_thread::is_kernel_thread,
    maps::{INODES, LOG_WRITES, SPACE, WATCHED, dropped, slot_of},
    offsets::{INODE_INO, INODE_SB, SB_BLOCK_SIZE, SB_DEV},
    writes::directory_of,
};

/// `BPF_NOEXIST`
const IF_ABSENT: u64 = 1;

/// What an event says. A plain struct: of an enum's payload the compiler leaves bytes undefined,
/// which the verifier refuses to see moved.
#[derive(Clone, Copy)]
pub struct Event {
    kind: Kind,
    /// In blocks of the filesystem.
    blocks: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Grown,
    Falling,
    Look,
    Gone,
}

impl Event {
    /// The current task has made the file larger, by so much if it was not known before.
    pub const fn grown(blocks: i64) -> Self {
        Self { kind: Kind::Grown, blocks }
    }

    /// The file's figures are about to fall by so much.
    pub const fn falling(blocks: i64) -> Self {
        Self { kind: Kind::Falling, blocks }
    }

    /// The figures may have changed.
    pub const LOOK: Self = Self { kind: Kind::Look, blocks: 0 };
    /// The file is gone, but for blocks still reserved.
    pub const GONE: Self = Self { kind: Kind::Gone, blocks: 0 };
}

/// Where a file is.
struct File {
    superblock: Kernel,
    /// Device of the superblock.
    filesystem: u32,
    /// Device that `stat` tells for the file.
    device: u32,
}

/// Looks at a file. `held_now` reads the bytes that it holds, given the size of a block. Returns
/// [`Held::looks`]; 0 if the file is not known from now on.
#[inline(always)]
fn look<F: Follow>(inode: Kernel, held_now: impl Fn(i64) -> i64, event: Event) -> u64 {
    let superblock = F::pointer(inode, INODE_SB.load());
    let device = F::int(superblock, SB_DEV.load());
    look_at::<F>(inode, File { superblock, filesystem: device, device }, held_now, event)
}

/// The same for a file whose place is known.
#[inline(always)]
fn look_at<F: Follow>(
    inode: Kernel,
    file: File,
    held_now: impl Fn(i64) -> i64,
    event: Event,
) -> u64 {
    if WATCHED.get(0).and_then(|watched| slot_of(watched, file.filesystem)).is_none() {
        return 0;
    }
    let block = F::long(file.superblock, SB_BLOCK_SIZE.load()) as i64;
    let number = F::long(inode, INODE_INO.load());
    let key = FileKey { inode: number, dev: file.device, reserved: 0 };
    let Some(held) = INODES.get_ptr_mut(key) else {
        return meet::<F>(inode, key, &file, held_now(block), event, block);
    };
    let mut now = held_now(block);
    if event.kind == Kind::Falling {
        now -= event.blocks * block;
    }
    // SAFETY: the pointer comes from a map lookup; both are only ever changed atomically.
    let (before, looks) = unsafe {
        let before = atomic_xchg::<i64, { AtomicOrdering::SeqCst }>(&raw mut (*held).bytes, now);
        let looks = &raw mut (*held).looks;
        (before, atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(looks, 1) + 1)
    };
    let change = now - before;
    if event.kind == Kind::Gone && now == 0 {
        // Blocks that are reserved to the end are released after this; the entry stays for them.
        let _ = INODES.remove(key);
    }
    if change == 0 {
        return looks;
    }
    // SAFETY: as above.
    let owner = unsafe { file.owner((*held).owner, (*held).is_log_directory) };
    let grown = change > 0 && event.kind == Kind::Grown;
    let anew = grown && (owner.id == 0 || before == 0 && !is_kernel_thread());
    if !anew && owner.id != 0 && charge(owner, change) {
        return looks;
    }
    // A file that grows from nothing (its number may be another file's) or whose owner is gone
    // belongs to who grows it.
    if !grown {
        charge_nobody(file.filesystem, change);
        return looks;
    }
    let owner = owner_now::<F>(inode, &file);
    // SAFETY: as above; two growers at once settle on one of them.
    unsafe {
        (*held).owner = owner.id;
        (*held).is_log_directory = owner.is_log_directory;
    }
    charge_new(owner, change);
    looks
}

/// A file that is not known: from now on it is, if it has grown or may be about to, else its change is
/// nobody's. What it held before is nobody's too.
#[inline(always)]
fn meet<F: Follow>(
    inode: Kernel,
    key: FileKey,
    file: &File,
    bytes: i64,
    event: Event,
    block: i64,
) -> u64 {
    let change = event.blocks * block;
    match event.kind {
        Kind::Grown => {
            let owner = if change > 0 || bytes == 0 {
                owner_now::<F>(inode, file)
            } else {
                SpaceOwner::nobody(file.filesystem)
            };
            let SpaceOwner { id, is_log_directory, .. } = owner;
            // SAFETY: no preconditions. The number of the first look differs from what CPUs remember
            // of an earlier file of this number.
            let looks = unsafe { bpf_ktime_get_ns() } | 1;
            let held = Held { owner: id, is_log_directory, reserved: 0, bytes, looks };
            let known = INODES.insert(key, held, IF_ABSENT).is_ok();
            if !known {
                dropped(Probe::Space);
            }
            // Even by nothing: others may go on for the owner, and must find it.
            charge_new(owner, change);
            return if known { looks } else { 0 };
        }
        Kind::Falling => charge_nobody(file.filesystem, -change),
        Kind::Look | Kind::Gone => {}
    }
    0
}

impl File {
    /// The owner with that id. A log directory is named by the device that `stat` tells, like the
    /// file.
    #[inline(always)]
    const fn owner(&self, id: u64, is_log_directory: u32) -> SpaceOwner {
        let dev = if is_log_directory == 1 { self.device } else { self.filesystem };
        SpaceOwner { id, dev, is_log_directory }
    }
}

/// Who owns a file that grows now for the first time: its log directory, else the current cgroup.
#[inline(always)]
fn owner_now<F: Follow>(inode: Kernel, file: &File) -> SpaceOwner {
    let directory = LogDirectory { inode: directory_of::<F>(inode), dev: file.device, reserved: 0 };
    if LOG_WRITES.get_ptr_mut(directory).is_some() {
        return SpaceOwner::log_directory(directory.inode, directory.dev);
    }
    // SAFETY: no preconditions.
    SpaceOwner::cgroup(unsafe { bpf_get_current_cgroup_id() }, file.filesystem)
}

/// Adds to an owner that is known. False if it is not.
#[inline(always)]
fn charge(owner: SpaceOwner, change: i64) -> bool {
    add(owner, of(change))
}

#[inline(always)]
fn add(owner: SpaceOwner, change: Space) -> bool {
    let Some(space) = SPACE.get_ptr_mut(owner) else {
        return false;
    };
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    unsafe {
        (*space).grown += change.grown;
        (*space).released += change.released;
        (*space).stray += change.stray;
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

/// Counts a change of which nobody is known to be the owner; what is given back is noted with who does it.
#[inline(always)]
fn charge_nobody(dev: u32, change: i64) {
    charge_new(SpaceOwner::nobody(dev), change);
    if change >= 0 {
        return;
    }
    // SAFETY: no preconditions.
    let freed_by = SpaceOwner::cgroup(unsafe { bpf_get_current_cgroup_id() }, dev);
    let stray = Space { grown: 0, released: 0, stray: change.unsigned_abs() };
    if !add(freed_by, stray) && SPACE.insert(freed_by, stray, IF_ABSENT).is_err() {
        dropped(Probe::Space);
    }
}

#[inline(always)]
const fn of(change: i64) -> Space {
    if change > 0 {
        Space { grown: change as u64, released: 0, stray: 0 }
    } else {
        Space { grown: 0, released: change.unsigned_abs(), stray: 0 }
    }
}
