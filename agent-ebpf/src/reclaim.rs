//! The kernel begins to reclaim memory: "look now".

use aya_ebpf::{
    helpers::{bpf_get_current_cgroup_id, bpf_ktime_get_ns},
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use evictd_common::{Kind, Probe, ReclaimSource, Record};

use crate::maps::{RECLAIM_SENT, send};

/// At most one record per source in this time: under pressure reclaim begins thousands of times a
/// second, and user space looks at most every 5 ms anyway.
const INTERVAL_NS: u64 = 2_000_000;

macro_rules! reclaim {
    ($btf:ident, $raw:ident, $plain:ident, $source:expr) => {
        /// Arguments are not needed.
        #[btf_tracepoint]
        pub fn $btf(_ctx: BtfTracePointContext) -> i32 {
            begin($source);
            0
        }

        /// Arguments are not needed.
        #[raw_tracepoint]
        pub fn $raw(_ctx: RawTracePointContext) -> i32 {
            begin($source);
            0
        }

        /// Fields are not needed.
        #[tracepoint]
        pub fn $plain(_ctx: TracePointContext) -> u32 {
            begin($source);
            0
        }
    };
}

reclaim!(memcg_reclaim_btf, memcg_reclaim_raw, memcg_reclaim_plain, ReclaimSource::Memcg);
reclaim!(direct_reclaim_btf, direct_reclaim_raw, direct_reclaim_plain, ReclaimSource::Direct);
reclaim!(wakeup_kswapd_btf, wakeup_kswapd_raw, wakeup_kswapd_plain, ReclaimSource::Kswapd);

#[inline(always)]
fn begin(source: ReclaimSource) {
    let Some(sent) = RECLAIM_SENT.get_ptr_mut(source as u32) else {
        return;
    };
    // SAFETY: the pointer comes from a map lookup; a race costs one record too many.
    unsafe {
        let now = bpf_ktime_get_ns();
        if now.wrapping_sub(sent.read_volatile()) < INTERVAL_NS {
            return;
        }
        sent.write_volatile(now);
        send(
            Probe::Reclaim,
            Record {
                ktime: now,
                cgroup_id: bpf_get_current_cgroup_id(),
                kind: Kind::Reclaim as u32,
                detail: source as u32,
                pid: 0,
                reserved: 0,
                comm: [0; 16],
            },
        );
    }
}
