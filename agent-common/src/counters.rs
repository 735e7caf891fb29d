//! Keys and values of the counting maps.

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
    /// Kernel `dev_t` of its filesystem.
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
    assert!(size_of::<Tasks>() == 16);
};

#[cfg(feature = "user")]
mod pod {
    use super::{DeviceCgroup, LogDirectory, Tasks, Writes};

    // SAFETY: repr(C) integers without padding; every bit pattern is valid.
    unsafe impl aya::Pod for DeviceCgroup {}
    // SAFETY: as above.
    unsafe impl aya::Pod for LogDirectory {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Writes {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Tasks {}
}
