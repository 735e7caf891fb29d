//! The victim of the OOM killer.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use aya_log_ebpf::debug;
use evictd_common::{Kind, Probe, Record};

use crate::{
    kernel::{Copied, Follow as _, Kernel},
    maps::send,
    offsets::{TASK_COMM, TASK_TGID, VICTIM_IS_TASK},
    tasks::cgroup_of,
};

/// `(task, uid)`, on older kernels `(pid)`.
#[btf_tracepoint]
pub fn mark_victim_btf(ctx: BtfTracePointContext) -> i32 {
    victim(&ctx, ctx.arg(0));
    0
}

/// `(task, uid)`, on older kernels `(pid)`.
#[raw_tracepoint]
pub fn mark_victim_raw(ctx: RawTracePointContext) -> i32 {
    victim(&ctx, ctx.arg(0));
    0
}

#[inline(always)]
fn victim(ctx: &impl EbpfContext, argument: u64) {
    // SAFETY: no preconditions.
    let ktime = unsafe { bpf_ktime_get_ns() };
    let mut record = Record {
        ktime,
        cgroup_id: 0,
        kind: Kind::OomVictim as u32,
        detail: 0,
        pid: argument as u32,
        reserved: 0,
        comm: [0; 16],
    };
    if VICTIM_IS_TASK.load() == 1 {
        let task = argument as Kernel;
        record.cgroup_id = cgroup_of::<Copied>(task);
        record.pid = Copied::int(task, TASK_TGID.load());
        let comm = task.wrapping_byte_add(TASK_COMM.load() as usize).cast::<[u8; 16]>();
        // SAFETY: the helper refuses bad addresses.
        record.comm = unsafe { bpf_probe_read_kernel(comm) }.unwrap_or([0; 16]);
    }
    debug!(ctx, "oom victim {} in cgroup {}", record.pid, record.cgroup_id);
    send(Probe::Oom, record);
}
