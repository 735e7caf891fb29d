//! `memory.events` changed: high, max, oom or oom_kill somewhere.

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use evictd_common::{Kind, Probe, Record};

use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::send,
    offsets::{FILE_NODE, NODE_ID, NODE_NAME, NODE_PARENT},
};

/// `cgroup_file_notify(cgroup_file)`, called before the kernel's own limit of 100 a second. Other
/// files (`cgroup.events`, `pids.events`) come through here too.
#[fentry]
pub fn file_notify(ctx: FEntryContext) -> i32 {
    notified::<Direct>(ctx.arg(0));
    0
}

/// `cgroup_file_notify(cgroup_file)`
#[kprobe]
pub fn file_notify_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(file) = ctx.arg(0) {
        notified::<Copied>(file);
    }
    0
}

#[inline(always)]
fn notified<F: Follow>(file: Kernel) {
    let node = F::pointer(file, FILE_NODE.load());
    let name = F::pointer(node, NODE_NAME.load());
    // SAFETY: the helper refuses bad addresses.
    let name = unsafe { bpf_probe_read_kernel(name.cast::<[u8; 14]>()) }.unwrap_or([0; 14]);
    // With its NUL, so that `memory.events.local`, told for the same change, is left out.
    if name != *b"memory.events\0" {
        return;
    }
    let parent = F::pointer(node, NODE_PARENT.load());
    let cgroup_id = F::long(parent, NODE_ID.load());
    // SAFETY: no preconditions.
    let ktime = unsafe { bpf_ktime_get_ns() };
    send(
        Probe::MemoryEvents,
        Record {
            ktime,
            cgroup_id,
            kind: Kind::MemoryEvent as u32,
            detail: 0,
            pid: 0,
            reserved: 0,
            comm: [0; 16],
        },
    );
}
