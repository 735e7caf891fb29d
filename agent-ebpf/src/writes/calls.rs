//! Writes by call: what `*_file_write_iter` returns, buffered or direct.
//!
//! A direct write may be only queued when the function returns; then it counts as what was handed to
//! the device.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};
use evictd_common::{Call, Probe};

use super::{count, directory_of_file};
use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{DIRECT, WRITING, dropped},
    offsets::{FILE_INODE, ITER_COUNT, KIOCB_FILE},
};

/// `-EIOCBQUEUED`: the write will end later.
const QUEUED: i64 = -529;

macro_rules! write_iter {
    ($($exit:ident)*) => {$(
        /// `*_file_write_iter(kiocb, iov_iter) -> bytes`
        #[fexit]
        pub fn $exit(ctx: FExitContext) -> i32 {
            let returned: i64 = ctx.arg(2);
            if returned > 0 {
                written::<Direct>(Direct::pointer(ctx.arg(0), KIOCB_FILE.load()), returned as u64);
            } else if returned == QUEUED {
                let file = Direct::pointer(ctx.arg(0), KIOCB_FILE.load());
                written::<Direct>(file, handed_over());
            }
            0
        }
    )*};
}

write_iter!(ext4_write_iter_exit xfs_write_iter_exit btrfs_write_iter_exit);

/// `*_file_write_iter(kiocb, iov_iter)`: keeps the file and the length for the function's return; by
/// then both arguments may be used up.
#[kprobe]
pub fn write_iter_enter(ctx: ProbeContext) -> u32 {
    if let (Some(kiocb), Some(iter)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) {
        let call = Call {
            file: Copied::pointer(kiocb as Kernel, KIOCB_FILE.load()) as u64,
            bytes: Copied::long(iter as Kernel, ITER_COUNT.load()),
        };
        if WRITING.insert(bpf_get_current_pid_tgid(), call, 0).is_err() {
            dropped(Probe::Writes);
        }
    }
    0
}

/// `-> bytes`
#[kretprobe]
pub fn write_iter_return(ctx: RetProbeContext) -> u32 {
    let task = bpf_get_current_pid_tgid();
    // SAFETY: only this task has this key.
    if let Some(&Call { file, bytes }) = unsafe { WRITING.get(task) } {
        let _ = WRITING.remove(task);
        match ctx.ret() {
            QUEUED => written::<Copied>(file as Kernel, bytes),
            returned if returned > 0 => written::<Copied>(file as Kernel, returned as u64),
            _ => {}
        }
    }
    0
}

#[inline(always)]
fn written<F: Follow>(file: Kernel, bytes: u64) {
    count::<F>(F::pointer(file, FILE_INODE.load()), bytes, || directory_of_file::<F>(file));
}

/// Bytes of the current task's direct write, which `iomap_beside_btf` has seen.
#[inline(always)]
fn handed_over() -> u64 {
    // SAFETY: only this task has this key.
    unsafe { DIRECT.get(bpf_get_current_pid_tgid()) }.copied().unwrap_or(0)
}
