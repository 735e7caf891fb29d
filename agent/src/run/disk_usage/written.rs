//! What the kernel saw a pod write.

use evictd_common::{LogDirectory, kernel_dev};
use rustix::fs::{major, minor};

use crate::{
    pods::{LogDir, Pod, PodCgroup},
    probe::Counters,
};

/// Key of a log directory in the kernel's map.
pub fn log_directory(log: &LogDir) -> LogDirectory {
    let dev = kernel_dev(major(log.dev), minor(log.dev));
    LogDirectory { inode: log.inode, dev, reserved: 0 }
}

/// Bytes that the kernel saw written, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) logs: u64,
    pub(super) volumes: u64,
}

impl Written {
    /// `dev`: the kernel's number of nodefs.
    pub(super) fn by(pod: &Pod, counters: &Counters, dev: u32) -> Self {
        let logs = pod.logs().iter().filter_map(|log| counters.log_writes(&log_directory(log)));
        let cgroups = pod
            .cgroup()
            .into_iter()
            .flat_map(|pod| pod.containers().iter().map(|c| c.inode).chain([pod.inode()]));
        let volumes = cgroups.filter_map(|id| counters.writes(id, dev));
        Self {
            logs: logs.map(|writes| writes.bytes).sum(),
            volumes: volumes.map(|writes| writes.bytes).sum(),
        }
    }

    /// What has come since `then`; nothing where counters began anew.
    pub(super) fn since(self, then: Self) -> Self {
        Self {
            logs: self.logs.saturating_sub(then.logs),
            volumes: self.volumes.saturating_sub(then.volumes),
        }
    }

    pub(super) const fn total(self) -> u64 {
        self.logs.saturating_add(self.volumes)
    }
}

/// Tells whether the same counters are summed as before. When a container or a log directory goes, its
/// counters go too, and what it wrote since the walk can only be found by walking again.
pub(super) fn counted(pod: &Pod) -> u64 {
    let cgroups = pod.cgroup().into_iter().flat_map(PodCgroup::containers);
    let inodes = cgroups.map(|c| c.inode).chain(pod.logs().iter().map(|log| log.inode));
    inodes.fold(0, |sum, inode| sum ^ inode.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
