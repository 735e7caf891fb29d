//! The kernel <-> user ABI of evictd's probes: ring records, map keys and values, counter indices
//! and the names under which both sides know them.
//!
//! Everything is `repr(C)` without padding, so that every byte the kernel writes is defined.

#![no_std]

mod counters;
mod record;
mod space;
mod tripwire;
mod watched;
mod writing;

pub use counters::{
    DEPARTED_CGROUP, DeviceCgroup, LogDirectory, OTHER_CGROUP, RecentWrites, Tasks, Writes,
};
pub use record::{Kind, ReclaimSource, Record};
pub use space::{FileKey, Growing, Held, Space, SpaceOwner};
pub use tripwire::{LOGS_TRIPWIRE, MAX_TRIPWIRES, TASKS_TRIPWIRE, Tripwire};
pub use watched::{Place, Watched};
pub use writing::{Call, DirtyRange};

/// The families of probes, in the order of the `DROPS` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Probe {
    /// Bytes written per (cgroup, filesystem) and per log directory; the byte tripwires.
    Writes,
    /// Forks and exits per cgroup; the task tripwire.
    Tasks,
    /// Changes of `memory.events`.
    MemoryEvents,
    /// OOM victims.
    Oom,
    /// Reclaim start.
    Reclaim,
    /// cgroup mkdir and rmdir.
    CgroupLife,
    /// Blocks grown and released by owner.
    Space,
}

impl Probe {
    /// Number of probes.
    pub const COUNT: usize = 7;

    /// Every probe, by index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Writes,
        Self::Tasks,
        Self::MemoryEvents,
        Self::Oom,
        Self::Reclaim,
        Self::CgroupLife,
        Self::Space,
    ];

    /// Name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Tasks => "tasks",
            Self::MemoryEvents => "memory_events",
            Self::Oom => "oom",
            Self::Reclaim => "reclaim",
            Self::CgroupLife => "cgroup_life",
            Self::Space => "space",
        }
    }
}

/// The kernel's internal `dev_t` for a device, which differs from the `st_dev` of stat(2).
pub const fn kernel_dev(major: u32, minor: u32) -> u32 {
    (major << 20) | (minor & 0xf_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_indexed_in_order() {
        for (i, probe) in Probe::ALL.into_iter().enumerate() {
            assert_eq!(probe as usize, i);
        }
    }

    #[test]
    fn kernel_dev_keeps_major_above_twenty_bits() {
        assert_eq!(kernel_dev(7, 3), 0x0070_0003);
        assert_eq!(kernel_dev(259, 0xf_ffff), 0x103f_ffff);
    }
}
