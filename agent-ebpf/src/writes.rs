//! Writes per (cgroup, filesystem) and per log directory, on ext4.
//!
//! fexit of `ext4_file_write_iter` sees every buffered and direct write with the bytes really
//! written. The tracepoints `ext4_da_write_end`, `ext4_write_end` and `ext4_journalled_write_end`
//! (delayed allocation, none, data journalling) see buffered writes folio by folio.

mod plain;

use aya_ebpf::{
    helpers::{bpf_get_current_cgroup_id, bpf_get_current_pid_tgid},
    macros::{btf_tracepoint, fexit, kprobe, kretprobe, raw_tracepoint},
    programs::{
        BtfTracePointContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext,
    },
};
use evictd_common::{
    DeviceCgroup, LOGS_TRIPWIRE, LogDirectory, OTHER_CGROUP, Probe, RecentWrites, Writes,
};

use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{LOG_WRITES, RECENT, WATCHED, WRITES, WRITING, dropped, slot_of},
    offsets::{
        DENTRY_ALIAS, DENTRY_INODE, DENTRY_PARENT, FILE_DENTRY, FILE_INODE, INODE_FIRST_DENTRY,
        INODE_INO, INODE_SB, ITER_COUNT, KIOCB_FILE, KIOCB_FLAGS, SB_DEV, SB_MAGIC,
        WRITES_END_SPACE,
    },
    space::write_ended,
    tripwires::spend,
};

macro_rules! write_iter {
    ($($exit:ident)*) => {$(
        /// `*_file_write_iter(kiocb, iov_iter) -> bytes`
        #[fexit]
        pub fn $exit(ctx: FExitContext) -> i32 {
            written_to_file::<Direct>(ctx.arg(0), ctx.arg(2));
            0
        }
    )*};
}

write_iter!(ext4_write_iter_exit xfs_write_iter_exit btrfs_write_iter_exit);

/// `*_file_write_iter(kiocb, iov_iter)`: keeps the kiocb for the function's return.
#[kprobe]
pub fn write_iter_enter(ctx: ProbeContext) -> u32 {
    if let Some(kiocb) = ctx.arg::<u64>(0)
        && WRITING.insert(bpf_get_current_pid_tgid(), kiocb, 0).is_err()
    {
        dropped(Probe::Writes);
    }
    0
}

/// `-> bytes`
#[kretprobe]
pub fn write_iter_return(ctx: RetProbeContext) -> u32 {
    let task = bpf_get_current_pid_tgid();
    // SAFETY: only this task has this key.
    if let Some(&kiocb) = unsafe { WRITING.get(task) } {
        let _ = WRITING.remove(task);
        written_to_file::<Copied>(kiocb as Kernel, ctx.ret());
    }
    0
}

#[inline(always)]
fn written_to_file<F: Follow>(kiocb: Kernel, written: i64) {
    if written > 0 {
        let file = F::pointer(kiocb, KIOCB_FILE.load());
        count::<F>(F::pointer(file, FILE_INODE.load()), written as u64, || {
            directory_of_file::<F>(file)
        });
    }
}

/// Inode number of the directory that the file was opened in.
#[inline(always)]
fn directory_of_file<F: Follow>(file: Kernel) -> u64 {
    let parent = F::pointer(F::pointer(file, FILE_DENTRY.load()), DENTRY_PARENT.load());
    F::long(F::pointer(parent, DENTRY_INODE.load()), INODE_INO.load())
}

macro_rules! about_to_write {
    ($($btf:ident, $raw:ident, $counts:expr;)*) => {$(
        /// `(kiocb, iov_iter, …)`: what is about to be written, in the writer's task.
        #[btf_tracepoint]
        pub fn $btf(ctx: BtfTracePointContext) -> i32 {
            about_to_write::<Direct>(ctx.arg(0), ctx.arg(1), $counts);
            0
        }

        /// `(kiocb, iov_iter, …)`: what is about to be written, in the writer's task.
        #[raw_tracepoint]
        pub fn $raw(ctx: RawTracePointContext) -> i32 {
            about_to_write::<Copied>(ctx.arg(0), ctx.arg(1), $counts);
            0
        }
    )*};
}

/// Which of a tracepoint's calls are counted.
enum Counts {
    All,
    /// Writes, but not those of xfs, which has a tracepoint of its own.
    WritesOfOthersThanXfs,
}

about_to_write! {
    xfs_buffered_write_btf, xfs_buffered_write_raw, Counts::All;
    xfs_direct_write_btf, xfs_direct_write_raw, Counts::All;
    direct_io_btf, direct_io_raw, Counts::WritesOfOthersThanXfs;
}

/// `IOCB_WRITE`
const IS_WRITE: u32 = 1 << 19;
/// `XFS_SUPER_MAGIC`
const XFS: u64 = 0x5846_5342;

#[inline(always)]
fn about_to_write<F: Follow>(kiocb: Kernel, iter: Kernel, counts: Counts) {
    let file = F::pointer(kiocb, KIOCB_FILE.load());
    let inode = F::pointer(file, FILE_INODE.load());
    if matches!(counts, Counts::WritesOfOthersThanXfs)
        && (F::int(kiocb, KIOCB_FLAGS.load()) & IS_WRITE == 0
            || F::long(F::pointer(inode, INODE_SB.load()), SB_MAGIC.load()) == XFS)
    {
        return;
    }
    count::<F>(inode, F::long(iter, ITER_COUNT.load()), || directory_of_file::<F>(file));
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
    let dev = || F::int(F::pointer(inode, INODE_SB.load()), SB_DEV.load());
    count_file((inode as u64, number), bytes, dev, directory);
}

/// `address` and `number` together tell one file from another.
#[inline(always)]
fn count_file(
    (address, number): (u64, u64),
    bytes: u64,
    dev: impl FnOnce() -> u32,
    directory: impl FnOnce() -> u64,
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
        recent.log_directory = if slot.is_some() { log_directory(directory(), dev) } else { 0 };
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
fn log_directory(inode: u64, dev: u32) -> u64 {
    let key = LogDirectory { inode, dev, reserved: 0 };
    LOG_WRITES.get_ptr_mut(key).map_or(0, |_| inode)
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
