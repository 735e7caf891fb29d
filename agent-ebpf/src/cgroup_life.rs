//! Birth and death of cgroups (v2 hierarchy).

use aya_ebpf::{
    EbpfContext,
    helpers::bpf_ktime_get_ns,
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use aya_log_ebpf::debug;
use evictd_common::{Kind, Probe, Record};

use crate::{
    fields::{self, MKDIR_ID, MKDIR_ROOT, RMDIR_ID, RMDIR_ROOT},
    kernel::{Copied, Direct, Follow, Kernel},
    maps::send,
    offsets::{CGROUP_NODE, CGROUP_ROOT, NODE_ID, ROOT_HIERARCHY},
};

macro_rules! life {
    ($btf:ident, $raw:ident, $plain:ident, $root:ident, $id:ident, $kind:expr) => {
        /// `(cgroup, path)`
        #[btf_tracepoint]
        pub fn $btf(ctx: BtfTracePointContext) -> i32 {
            report::<Direct>(&ctx, ctx.arg(0), $kind);
            0
        }

        /// `(cgroup, path)`
        #[raw_tracepoint]
        pub fn $raw(ctx: RawTracePointContext) -> i32 {
            report::<Copied>(&ctx, ctx.arg(0), $kind);
            0
        }

        /// Fields `root` and `id`.
        #[tracepoint]
        pub fn $plain(ctx: TracePointContext) -> u32 {
            if fields::int(&ctx, &$root) == V2_HIERARCHY {
                send_life(&ctx, fields::long(&ctx, &$id), $kind);
            }
            0
        }
    };
}

life!(mkdir_btf, mkdir_raw, mkdir_plain, MKDIR_ROOT, MKDIR_ID, Kind::CgroupMkdir);
life!(rmdir_btf, rmdir_raw, rmdir_plain, RMDIR_ROOT, RMDIR_ID, Kind::CgroupRmdir);

/// The hierarchy number of cgroup v2; v1 hierarchies report the same tracepoints.
const V2_HIERARCHY: u32 = 0;

#[inline(always)]
fn report<F: Follow>(ctx: &impl EbpfContext, cgroup: Kernel, kind: Kind) {
    let root = F::pointer(cgroup, CGROUP_ROOT.load());
    if F::int(root, ROOT_HIERARCHY.load()) != V2_HIERARCHY {
        return;
    }
    let cgroup_id = F::long(F::pointer(cgroup, CGROUP_NODE.load()), NODE_ID.load());
    send_life(ctx, cgroup_id, kind);
}

#[inline(always)]
fn send_life(ctx: &impl EbpfContext, cgroup_id: u64, kind: Kind) {
    debug!(ctx, "cgroup {}: {}", cgroup_id, kind as u32);
    // SAFETY: no preconditions.
    let ktime = unsafe { bpf_ktime_get_ns() };
    send(
        Probe::CgroupLife,
        Record {
            ktime,
            cgroup_id,
            kind: kind as u32,
            detail: 0,
            pid: 0,
            reserved: 0,
            comm: [0; 16],
        },
    );
}
