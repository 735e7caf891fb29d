//! Counting against a budget; see `evictd_common::Tripwire` for why no wake-up is lost.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::helpers::{bpf_get_current_cgroup_id, bpf_ktime_get_ns};
use evictd_common::{Kind, Probe, Record, Tripwire};

use crate::maps::{LIMITS, TRIPWIRES, send};

/// Adds `amount` to the slot and wakes user space if that uses up its budget.
#[inline(always)]
pub fn spend(probe: Probe, slot: u32, amount: i64) {
    let (Some(tripwire), Some(limit)) = (TRIPWIRES.get_ptr_mut(slot), LIMITS.get_ptr(slot)) else {
        return;
    };
    // SAFETY: both pointers come from a map lookup; `spent` is only ever changed atomically.
    let (before, limit) = unsafe {
        let spent = &raw mut (*tripwire).spent;
        let before = atomic_xadd::<i64, i64, { AtomicOrdering::SeqCst }>(spent, amount);
        (before, limit.read_volatile())
    };
    if Tripwire::crosses(before, amount, limit) {
        // SAFETY: these helpers have no preconditions.
        let (ktime, cgroup_id) = unsafe { (bpf_ktime_get_ns(), bpf_get_current_cgroup_id()) };
        send(
            probe,
            Record {
                ktime,
                cgroup_id,
                kind: Kind::Tripwire as u32,
                detail: slot,
                pid: 0,
                reserved: 0,
                comm: [0; 16],
            },
        );
    }
}
