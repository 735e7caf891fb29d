//! Keys and values of the counting maps.

/// The cgroup id (no cgroup has it) under which that is counted for which a full map has no place:
/// what is missing by cgroup is never missing from the sum.
pub const OTHER_CGROUP: u64 = 0;

/// The cgroup id (no cgroup has it) that takes over what cgroups had counted when their keys are
/// dropped. Written by user space alone.
pub const DEPARTED_CGROUP: u64 = u64::MAX;

/// Key of `WRITES`: who wrote, and to which filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct DeviceCgroup {
    /// cgroup v2 id of the writing task.
    pub cgroup_id: u64,
    /// Kernel `dev_t` of the filesystem, see [`crate::kernel_dev`].
    pub dev: u32,
    /// Always zero.
    pub reserved: u32,
}

/// Key of `LOG_WRITES`: the directory that holds a container's logs, so that rotation changes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct LogDirectory {
    /// Inode of the directory.
    pub inode: u64,
    /// Kernel `dev_t` of the device that `stat` tells, which on btrfs is the subvolume's.
    pub dev: u32,
    /// Always zero.
    pub reserved: u32,
}

/// Value of `WRITES` and `LOG_WRITES`, per CPU, ever growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Writes {
    /// Bytes written.
    pub bytes: u64,
    /// Events counted: calls on the fexit rung, folios or calls on the tracepoint rungs.
    pub calls: u64,
}

/// Value of `RECENT`, one a CPU: the run of writes that goes on there, by one cgroup to one file.
/// It is added to `WRITES` and `LOG_WRITES` when another begins, and before it gets large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RecentWrites {
    /// Address of the inode in the kernel, and its number: addresses are used again.
    pub address: u64,
    /// Number of the inode.
    pub inode: u64,
    /// cgroup v2 id of the writer.
    pub cgroup_id: u64,
    /// Inode of the log directory that the file is in; 0 if that is not counted.
    pub log_directory: u64,
    /// What is to be added.
    pub writes: Writes,
    /// Kernel `dev_t` of the filesystem.
    pub dev: u32,
    /// Tripwire slot of the filesystem; [`UNWATCHED`](Self::UNWATCHED) if it has none.
    pub slot: u32,
    /// [`Watched::generation`](crate::Watched) when the run began.
    pub generation: u32,
    /// Device of the log directory; see [`LogDirectory`].
    pub log_device: u32,
}

impl RecentWrites {
    /// The slot of filesystems that are not watched.
    pub const UNWATCHED: u32 = u32::MAX;
    /// A run is added at the latest when it has so many bytes,
    pub const MOST_BYTES: u64 = 256 << 10;
    /// or so many calls.
    pub const MOST_CALLS: u64 = 64;

    /// Where it will be added.
    pub const fn key(&self) -> DeviceCgroup {
        DeviceCgroup { cgroup_id: self.cgroup_id, dev: self.dev, reserved: 0 }
    }

    /// Where it will be added too, if the log directory is not 0.
    pub const fn log_key(&self) -> LogDirectory {
        LogDirectory { inode: self.log_directory, dev: self.log_device, reserved: 0 }
    }
}

/// Value of `TASKS` (key: cgroup id), per CPU, ever growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tasks {
    /// Tasks (threads included) created in the cgroup.
    pub forks: u64,
    /// Tasks that ended in the cgroup.
    pub exits: u64,
}

const _: () = {
    assert!(size_of::<DeviceCgroup>() == 16);
    assert!(size_of::<LogDirectory>() == 16);
    assert!(size_of::<Writes>() == 16);
    assert!(size_of::<RecentWrites>() == 64);
    assert!(size_of::<Tasks>() == 16);
};

#[cfg(feature = "user")]
mod pod {
    use super::{DeviceCgroup, LogDirectory, RecentWrites, Tasks, Writes};

    // SAFETY: repr(C) integers without padding; every bit pattern is valid.
    unsafe impl aya::Pod for DeviceCgroup {}
    // SAFETY: as above.
    unsafe impl aya::Pod for LogDirectory {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Writes {}
    // SAFETY: as above.
    unsafe impl aya::Pod for RecentWrites {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Tasks {}
}
