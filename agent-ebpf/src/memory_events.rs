//! `memory.events` changed: high, max, oom or oom_kill somewhere.

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::fentry,
    programs::FEntryContext,
};
use evictd_common::{Kind, Probe, Record};

use crate::{
    kernel::{Direct, Follow as _},
    maps::send,
    offsets::{FILE_NODE, NODE_ID, NODE_NAME, NODE_PARENT},
};

/// `cgroup_file_notify(cgroup_file)`, called before the kernel's own limit of 100 a second. Other
/// files (`cgroup.events`, `pids.events`) come through here too.
#[fentry]
pub fn file_notify(ctx: FEntryContext) -> i32 {
    let node = Direct::pointer(ctx.arg(0), FILE_NODE.load());
    let name = Direct::pointer(node, NODE_NAME.load());
    // SAFETY: the helper refuses bad addresses.
    let name = unsafe { bpf_probe_read_kernel(name.cast::<[u8; 14]>()) }.unwrap_or([0; 14]);
    // With its NUL, so that `memory.events.local`, told for the same change, is left out.
    if name != *b"memory.events\0" {
        return 0;
    }
    let parent = Direct::pointer(node, NODE_PARENT.load());
    let cgroup_id = Direct::long(parent, NODE_ID.load());
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
    0
}
