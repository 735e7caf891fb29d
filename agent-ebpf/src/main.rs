//! evictd's kernel probes: one file per probe family.
//!
//! Counters are added up in per-CPU maps; only crossings and rare events go through the ring
//! buffer. Each family has programs for several rungs (fexit, BTF, raw and plain tracepoints); user
//! space attaches one rung of each.

#![no_std]
#![no_main]
// `core::sync::atomic` has no fetch_add on BPF targets; the instruction exists since Linux 5.12.
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "the only way to a fetching atomic add on this target")]

mod btrfs;
mod cgroup_life;
mod fields;
mod kernel;
mod kernel_thread;
mod maps;
mod memory_events;
mod offsets;
mod oom;
mod reclaim;
mod space;
mod tasks;
mod tripwires;
mod write_lock;
mod writes;

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
