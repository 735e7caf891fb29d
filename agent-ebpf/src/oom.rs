//! The victim of the OOM killer.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use aya_log_ebpf::debug;
use evictd_common::{Kind, Probe, Record};

use crate::{
    fields::{self, VICTIM_COMM, VICTIM_PID},
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

/// Fields `pid` and, where there is one, `comm`. The task that ran out of memory need not be the victim,
/// so its cgroup says nothing.
#[tracepoint]
pub fn mark_victim_plain(ctx: TracePointContext) -> u32 {
    let mut record = record_of(fields::int(&ctx, &VICTIM_PID));
    if VICTIM_COMM.load() != 0 {
        // The lower half of a `__data_loc` is where the string lies.
        let at = (fields::int(&ctx, &VICTIM_COMM) & 0xffff) as usize;
        // SAFETY: the helper behind it refuses bad addresses.
        record.comm = unsafe { ctx.read_at(at) }.unwrap_or([0; 16]);
        end_at_nul(&mut record.comm);
    }
    tell(&ctx, record);
    0
}

/// A name in a tracepoint's record is followed by whatever comes next in it.
#[inline(always)]
fn end_at_nul(comm: &mut [u8; 16]) {
    let mut ended = false;
    for byte in comm {
        ended |= *byte == 0;
        if ended {
            *byte = 0;
        }
    }
}

#[inline(always)]
fn victim(ctx: &impl EbpfContext, argument: u64) {
    let mut record = record_of(argument as u32);
    if VICTIM_IS_TASK.load() == 1 {
        let task = argument as Kernel;
        record.cgroup_id = cgroup_of::<Copied>(task);
        record.pid = Copied::int(task, TASK_TGID.load());
        let comm = task.wrapping_byte_add(TASK_COMM.load() as usize).cast::<[u8; 16]>();
        // SAFETY: the helper refuses bad addresses.
        record.comm = unsafe { bpf_probe_read_kernel(comm) }.unwrap_or([0; 16]);
    }
    tell(ctx, record);
}

#[inline(always)]
fn record_of(pid: u32) -> Record {
    // SAFETY: no preconditions.
    let ktime = unsafe { bpf_ktime_get_ns() };
    let kind = Kind::OomVictim as u32;
    Record { ktime, cgroup_id: 0, kind, detail: 0, pid, reserved: 0, comm: [0; 16] }
}

#[inline(always)]
fn tell(ctx: &impl EbpfContext, record: Record) {
    debug!(ctx, "oom victim {} in cgroup {}", record.pid, record.cgroup_id);
    send(Probe::Oom, record);
}
