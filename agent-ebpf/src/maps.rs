//! The maps shared with user space. Sizes may be overridden at load.

use aya_ebpf::{
    btf_maps::{Array, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf},
    macros::btf_map,
};
use evictd_common::{
    Call, DeviceCgroup, DirtyRange, FileKey, Growing, Held, LogDirectory, MAX_TRIPWIRES, Probe,
    RecentWrites, ReclaimSource, Record, Space, SpaceOwner, Tasks, Tripwire, Watched, Writes,
};

/// Crossings and rare events.
#[btf_map]
pub static RECORDS: RingBuf<Record, { 256 * 1024 }, 0> = RingBuf::new();

/// Failed reserves and full maps, by [`Probe`].
#[btf_map]
pub static DROPS: PerCpuArray<u64, { Probe::COUNT }> = PerCpuArray::new();

/// Bytes and calls by (cgroup, filesystem).
#[btf_map]
pub static WRITES: PerCpuHashMap<DeviceCgroup, Writes, 4096> = PerCpuHashMap::new();

/// Bytes and calls by log directory. Only directories that user space put in are counted.
#[btf_map]
pub static LOG_WRITES: PerCpuHashMap<LogDirectory, Writes, 4096> = PerCpuHashMap::new();

/// The run of writes that goes on on each CPU.
#[btf_map]
pub static RECENT: PerCpuArray<RecentWrites, 1> = PerCpuArray::new();

/// The write that each task is in, on the kprobe rung.
#[btf_map]
pub static WRITING: LruHashMap<u64, Call, 4096> = LruHashMap::new();

/// Bytes of each task's last direct write, on the fexit rung.
#[btf_map]
pub static DIRECT: LruHashMap<u64, u64, 4096> = LruHashMap::new();

/// The range of a file on btrfs that each task is writing to, on the tracepoint rungs.
#[btf_map]
pub static DIRTY_RANGES: LruHashMap<u64, DirtyRange, 4096> = LruHashMap::new();

/// Address of the inode on btrfs that each task is growing.
#[btf_map]
pub static GROWING_TASKS: LruHashMap<u64, u64, 4096> = LruHashMap::new();

/// Forks and exits by cgroup.
#[btf_map]
pub static TASKS: PerCpuHashMap<u64, Tasks, 4096> = PerCpuHashMap::new();

/// Blocks grown and released by owner, on watched filesystems.
#[btf_map]
pub static SPACE: PerCpuHashMap<SpaceOwner, Space, 4096> = PerCpuHashMap::new();

/// Who owns a file and what it held last. The least recently seen files make room for new ones.
#[btf_map]
pub static INODES: LruHashMap<FileKey, Held, 16384> = LruHashMap::new();

/// The file that each CPU's write takes blocks for.
#[btf_map]
pub static GROWING: PerCpuArray<Growing, 1> = PerCpuArray::new();

/// Watched filesystems. One value, so that a look-up is a comparison of a device or two.
#[btf_map]
pub static WATCHED: Array<Watched, 1> = Array::new();

/// What has been used, by tripwire slot. Written by the kernel alone.
#[btf_map]
pub static TRIPWIRES: Array<Tripwire, { MAX_TRIPWIRES as usize }> = Array::new();

/// Where each slot wakes user space. Written by user space alone; `i64::MAX` is disarmed.
#[btf_map]
pub static LIMITS: Array<i64, { MAX_TRIPWIRES as usize }> = Array::new();

/// When a reclaim record was last sent, by source.
#[btf_map]
pub static RECLAIM_SENT: Array<u64, { ReclaimSource::COUNT }> = Array::new();

/// Tripwire slot of a watched filesystem.
#[inline(always)]
pub fn slot_of(watched: &Watched, dev: u32) -> Option<u32> {
    // Unrolled; ends at the first unused place.
    for place in &watched.places {
        if place.dev == dev {
            return (dev != 0).then_some(place.slot);
        }
        if place.dev == 0 {
            return None;
        }
    }
    None
}

/// Counts one record or key that could not be delivered.
#[inline(always)]
pub fn dropped(probe: Probe) {
    if let Some(count) = DROPS.get_ptr_mut(probe as u32) {
        // SAFETY: a per-CPU slot; the map lookup guarantees a valid pointer.
        unsafe { *count += 1 };
    }
}

/// Sends one record, or counts the drop.
#[inline(always)]
pub fn send(probe: Probe, record: Record) -> bool {
    match RECORDS.reserve(0) {
        Some(mut entry) => {
            entry.write(record);
            entry.submit(0);
            true
        }
        None => {
            dropped(probe);
            false
        }
    }
}
