//! Writes per (cgroup, filesystem) and per log directory, on ext4.
//!
//! fexit of `ext4_file_write_iter` sees every buffered and direct write with the bytes really
//! written. The tracepoints `ext4_da_write_end`, `ext4_write_end` and `ext4_journalled_write_end`
//! (delayed allocation, none, data journalling) see buffered writes folio by folio.

use aya_ebpf::{
    helpers::bpf_get_current_cgroup_id,
    macros::{btf_tracepoint, fexit, raw_tracepoint},
    programs::{BtfTracePointContext, FExitContext, RawTracePointContext},
};
use evictd_common::{DeviceCgroup, LOGS_TRIPWIRE, LogDirectory, Probe, Writes};

use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{LOG_WRITES, WATCHED, WRITES, dropped},
    offsets::{
        DENTRY_ALIAS, DENTRY_INODE, DENTRY_PARENT, FILE_DENTRY, FILE_INODE, INODE_FIRST_DENTRY,
        INODE_INO, INODE_SB, KIOCB_FILE, SB_DEV,
    },
    tripwires::spend,
};

/// `ext4_file_write_iter(kiocb, iov_iter) -> bytes`
#[fexit]
pub fn write_iter_exit(ctx: FExitContext) -> i32 {
    let written: i64 = ctx.arg(2);
    if written > 0 {
        let file = Direct::pointer(ctx.arg(0), KIOCB_FILE.load());
        let inode = Direct::pointer(file, FILE_INODE.load());
        let dentry = Direct::pointer(file, FILE_DENTRY.load());
        count::<Direct>(inode, written as u64, || {
            let parent = Direct::pointer(dentry, DENTRY_PARENT.load());
            Direct::long(Direct::pointer(parent, DENTRY_INODE.load()), INODE_INO.load())
        });
    }
    0
}

macro_rules! write_end {
    ($btf:ident, $raw:ident) => {
        /// `(inode, pos, len, copied, …)`
        #[btf_tracepoint]
        pub fn $btf(ctx: BtfTracePointContext) -> i32 {
            let inode: Kernel = ctx.arg(0);
            let copied: u32 = ctx.arg(3);
            count::<Direct>(inode, copied.into(), || directory_of::<Direct>(inode));
            0
        }

        /// `(inode, pos, len, copied, …)`
        #[raw_tracepoint]
        pub fn $raw(ctx: RawTracePointContext) -> i32 {
            let inode: Kernel = ctx.arg(0);
            let copied: u32 = ctx.arg(3);
            count::<Copied>(inode, copied.into(), || directory_of::<Copied>(inode));
            0
        }
    };
}

write_end!(da_write_end_btf, da_write_end_raw);
write_end!(write_end_btf, write_end_raw);
write_end!(journalled_write_end_btf, journalled_write_end_raw);

/// Inode number of the directory in which `inode` was last looked up; 0 if it has no name.
#[inline(always)]
fn directory_of<F: Follow>(inode: Kernel) -> u64 {
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
    if bytes == 0 {
        return;
    }
    let dev = F::int(F::pointer(inode, INODE_SB.load()), SB_DEV.load());
    // SAFETY: no preconditions.
    let cgroup_id = unsafe { bpf_get_current_cgroup_id() };
    add_to_cgroup(DeviceCgroup { cgroup_id, dev, reserved: 0 }, bytes);

    // SAFETY: slots are never removed while the probe runs.
    let Some(&slot) = (unsafe { WATCHED.get(dev) }) else {
        return;
    };
    let key = LogDirectory { inode: directory(), dev, reserved: 0 };
    if let Some(writes) = LOG_WRITES.get_ptr_mut(key) {
        add(writes, bytes);
        spend(Probe::Writes, LOGS_TRIPWIRE, bytes as i64);
    }
    spend(Probe::Writes, slot, bytes as i64);
}

#[inline(always)]
fn add_to_cgroup(key: DeviceCgroup, bytes: u64) {
    if let Some(writes) = WRITES.get_ptr_mut(key) {
        add(writes, bytes);
    } else if WRITES.insert(key, Writes { bytes, calls: 1 }, 0).is_err() {
        dropped(Probe::Writes);
    }
}

#[inline(always)]
fn add(writes: *mut Writes, bytes: u64) {
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    unsafe {
        (*writes).bytes += bytes;
        (*writes).calls += 1;
    }
}
