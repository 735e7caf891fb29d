//! Whether the kernel does something on its own behalf or on somebody's.

use aya_ebpf::helpers::bpf_get_current_task;

use crate::{
    kernel::{Copied, Follow, Kernel},
    offsets::TASK_FLAGS,
};

/// `PF_KTHREAD`
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Whether the current task is a thread of the kernel: write-back, or the end of a write that somebody
/// began.
#[inline(always)]
pub fn is_kernel_thread() -> bool {
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task() } as Kernel;
    Copied::int(task, TASK_FLAGS.load()) & KERNEL_THREAD != 0
}
