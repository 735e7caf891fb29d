//! Writes per (cgroup, filesystem) and per log directory.
//!
//! By call where functions can be hooked ([`calls`]), else by tracepoints: on ext4 `ext4_da_write_end`,
//! `ext4_write_end` and `ext4_journalled_write_end` (delayed allocation, none, data journalling) see
//! buffered writes folio by folio.

mod btrfs;
mod calls;
mod dirty_folio;
mod iomap;
mod plain;

use aya_ebpf::{
    helpers::bpf_get_current_cgroup_id,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use evictd_common::{
    DeviceCgroup, LOGS_TRIPWIRE, LogDirectory, OTHER_CGROUP, Probe, RecentWrites, Writes,
};

use crate::{
    btrfs::device_of_file,
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{LOG_WRITES, RECENT, WATCHED, WRITES, dropped, slot_of},
    offsets::{
        DENTRY_ALIAS, DENTRY_INODE, DENTRY_PARENT, FILE_DENTRY, INODE_FIRST_DENTRY, INODE_INO,
        INODE_SB, SB_DEV, WRITES_END_SPACE,
    },
    space::write_ended,
    tripwires::spend,
};

/// Inode number of the directory that the file was opened in.
#[inline(always)]
fn directory_of_file<F: Follow>(file: Kernel) -> u64 {
    let parent = F::pointer(F::pointer(file, FILE_DENTRY.load()), DENTRY_PARENT.load());
    F::long(F::pointer(parent, DENTRY_INODE.load()), INODE_INO.load())
}

macro_rules! write_end {
    ($btf:ident, $raw:ident, $then:ident) => {
        /// `(inode, pos, len, copied, …)`
        #[btf_tracepoint]
        pub fn $btf(ctx: BtfTracePointContext) -> i32 {
            let inode: Kernel = ctx.arg(0);
            let copied: u32 = ctx.arg(3);
            count::<Direct>(inode, copied.into(), || directory_of::<Direct>(inode));
            $then::<Direct>(inode);
            0
        }

        /// `(inode, pos, len, copied, …)`
        #[raw_tracepoint]
        pub fn $raw(ctx: RawTracePointContext) -> i32 {
            let inode: Kernel = ctx.arg(0);
            let copied: u32 = ctx.arg(3);
            count::<Copied>(inode, copied.into(), || directory_of::<Copied>(inode));
            $then::<Copied>(inode);
            0
        }
    };
}

write_end!(da_write_end_btf, da_write_end_raw, end_space);
write_end!(write_end_btf, write_end_raw, nothing);
write_end!(journalled_write_end_btf, journalled_write_end_raw, nothing);

/// Delayed allocation: the write may have taken blocks.
#[inline(always)]
fn end_space<F: Follow>(inode: Kernel) {
    if WRITES_END_SPACE.load() == 1 {
        write_ended::<F>(inode);
    }
}

#[inline(always)]
const fn nothing<F: Follow>(_inode: Kernel) {}

/// Inode number of the directory in which `inode` was last looked up; 0 if it has no name.
#[inline(always)]
pub fn directory_of<F: Follow>(inode: Kernel) -> u64 {
    let alias = F::pointer(inode, INODE_FIRST_DENTRY.load());
    if alias.is_null() {
        return 0;
    }
    // From here on the address is computed by hand, so the verifier knows no type for it.
    let dentry = alias.wrapping_byte_sub(DENTRY_ALIAS.load() as usize);
    let parent = Copied::pointer(dentry, DENTRY_PARENT.load());
    Copied::long(Copied::pointer(parent, DENTRY_INODE.load()), INODE_INO.load())
}

#[inline(always)]
fn count<F: Follow>(inode: Kernel, bytes: u64, directory: impl FnOnce() -> u64) {
    let number = F::long(inode, INODE_INO.load());
    let superblock = || F::pointer(inode, INODE_SB.load());
    let dev = || F::int(superblock(), SB_DEV.load());
    let directory = |dev| LogDirectory {
        inode: directory(),
        dev: device_of_file::<F>(inode, superblock(), dev),
        reserved: 0,
    };
    count_file((inode as u64, number), bytes, dev, directory);
}

/// `address` and `number` together tell one file from another. `directory` is given the device.
#[inline(always)]
fn count_file(
    (address, number): (u64, u64),
    bytes: u64,
    dev: impl FnOnce() -> u32,
    directory: impl FnOnce(u32) -> LogDirectory,
) {
    if bytes == 0 {
        return;
    }
    let (Some(recent), Some(watched)) = (RECENT.get_ptr_mut(0), WATCHED.get(0)) else {
        return;
    };
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer, and nothing else runs this
    // program on this CPU before it ends.
    let recent = unsafe { &mut *recent };
    // SAFETY: no preconditions.
    let cgroup_id = unsafe { bpf_get_current_cgroup_id() };
    if recent.address != address
        || recent.inode != number
        || recent.cgroup_id != cgroup_id
        || recent.generation != watched.generation
    {
        post(recent);
        let dev = dev();
        let slot = slot_of(watched, dev);
        recent.address = address;
        recent.inode = number;
        recent.cgroup_id = cgroup_id;
        recent.generation = watched.generation;
        recent.dev = dev;
        recent.slot = slot.unwrap_or(RecentWrites::UNWATCHED);
        recent.log_directory = 0;
        if slot.is_some() {
            let directory = directory(dev);
            recent.log_device = directory.dev;
            recent.log_directory = log_directory(directory);
        }
    }
    recent.writes.bytes += bytes;
    recent.writes.calls += 1;
    if recent.writes.bytes >= RecentWrites::MOST_BYTES
        || recent.writes.calls >= RecentWrites::MOST_CALLS
    {
        post(recent);
    }
    if recent.slot != RecentWrites::UNWATCHED {
        spend(Probe::Writes, recent.slot, bytes as i64);
        if recent.log_directory != 0 {
            spend(Probe::Writes, LOGS_TRIPWIRE, bytes as i64);
        }
    }
}

/// The directory, if its writes are counted.
#[inline(always)]
fn log_directory(directory: LogDirectory) -> u64 {
    LOG_WRITES.get_ptr_mut(directory).map_or(0, |_| directory.inode)
}

/// Adds a run of writes to the counters.
#[inline(always)]
fn post(recent: &mut RecentWrites) {
    let writes = recent.writes;
    if writes.calls == 0 {
        return;
    }
    recent.writes = Writes { bytes: 0, calls: 0 };
    if let Some(sum) = WRITES.get_ptr_mut(recent.key()) {
        add(sum, writes);
    } else if WRITES.insert(recent.key(), writes, 0).is_err() {
        dropped(Probe::Writes);
        let other = DeviceCgroup { cgroup_id: OTHER_CGROUP, dev: recent.dev, reserved: 0 };
        if let Some(sum) = WRITES.get_ptr_mut(other) {
            add(sum, writes);
        }
    }
    if recent.log_directory != 0
        && let Some(sum) = LOG_WRITES.get_ptr_mut(recent.log_key())
    {
        add(sum, writes);
    }
}

#[inline(always)]
fn add(sum: *mut Writes, writes: Writes) {
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    unsafe {
        (*sum).bytes += writes.bytes;
        (*sum).calls += writes.calls;
    }
}
