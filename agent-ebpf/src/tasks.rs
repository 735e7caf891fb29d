//! Forks and exits per cgroup, threads included.

use aya_ebpf::{
    helpers::bpf_get_current_cgroup_id,
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use evictd_common::{OTHER_CGROUP, Probe, TASKS_TRIPWIRE, Tasks};

use crate::{
    kernel::{Copied, Direct, Follow, Kernel},
    maps::{TASKS, dropped},
    offsets::{CGROUP_NODE, CSS_SET_CGROUP, NODE_ID, TASK_CGROUPS},
    tripwires::spend,
};

/// `(parent, child)`
#[btf_tracepoint]
pub fn fork_btf(ctx: BtfTracePointContext) -> i32 {
    let (parent, child): (Kernel, Kernel) = (ctx.arg(0), ctx.arg(1));
    // Nearly always the child is where its parent is, and then the helper is the shorter way.
    let same = Direct::pointer(parent, TASK_CGROUPS.load()) as u64
        == Direct::pointer(child, TASK_CGROUPS.load()) as u64;
    let cgroup_id = if same { current() } else { cgroup_of::<Direct>(child) };
    count(cgroup_id, Tasks { forks: 1, exits: 0 });
    0
}

/// `(parent, child)`; needs no offsets: the child starts in the cgroup of its parent, unless it was
/// cloned into another one.
#[raw_tracepoint]
pub fn fork_raw(_ctx: RawTracePointContext) -> i32 {
    count(current(), Tasks { forks: 1, exits: 0 });
    0
}

/// `(task, …)`, run by the task itself.
#[btf_tracepoint]
pub fn exit_btf(_ctx: BtfTracePointContext) -> i32 {
    count(current(), Tasks { forks: 0, exits: 1 });
    0
}

/// `(task, …)`, run by the task itself.
#[raw_tracepoint]
pub fn exit_raw(_ctx: RawTracePointContext) -> i32 {
    count(current(), Tasks { forks: 0, exits: 1 });
    0
}

/// Fields are not needed: as on the raw rung.
#[tracepoint]
pub fn fork_plain(_ctx: TracePointContext) -> u32 {
    count(current(), Tasks { forks: 1, exits: 0 });
    0
}

/// Fields are not needed: run by the task itself.
#[tracepoint]
pub fn exit_plain(_ctx: TracePointContext) -> u32 {
    count(current(), Tasks { forks: 0, exits: 1 });
    0
}

/// cgroup v2 id of a task.
#[inline(always)]
pub fn cgroup_of<F: Follow>(task: Kernel) -> u64 {
    let css_set = F::pointer(task, TASK_CGROUPS.load());
    if css_set.is_null() {
        return 0;
    }
    // css_set and below are read by copy: newer kernels give an RCU pointer to it, which the
    // verifier does not let through two loads.
    let cgroup = Copied::pointer(css_set, CSS_SET_CGROUP.load());
    Copied::long(Copied::pointer(cgroup, CGROUP_NODE.load()), NODE_ID.load())
}

#[inline(always)]
fn current() -> u64 {
    // SAFETY: no preconditions.
    unsafe { bpf_get_current_cgroup_id() }
}

#[inline(always)]
fn count(cgroup_id: u64, change: Tasks) {
    if !add(cgroup_id, change) && TASKS.insert(cgroup_id, change, 0).is_err() {
        dropped(Probe::Tasks);
        add(OTHER_CGROUP, change);
    }
    // Exits are not given back: they may be of other tasks than those that the budget is about.
    if change.forks > 0 {
        spend(Probe::Tasks, TASKS_TRIPWIRE, change.forks as i64);
    }
}

/// False if the cgroup is not known.
#[inline(always)]
fn add(cgroup_id: u64, change: Tasks) -> bool {
    let Some(tasks) = TASKS.get_ptr_mut(cgroup_id) else {
        return false;
    };
    // SAFETY: a per-CPU value; the map lookup guarantees a valid pointer.
    unsafe {
        (*tasks).forks += change.forks;
        (*tasks).exits += change.exits;
    }
    true
}
