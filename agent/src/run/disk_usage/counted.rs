//! What the kernel saw a pod write, take and give back.

use evictd_common::{LogDirectory, Space, SpaceOwner, kernel_dev};
use rustix::fs::{major, minor};

use super::accounts::Owners;
use crate::{
    pods::{LogDir, Pod, PodCgroup},
    probe::Counters,
};

/// Key of a log directory in the kernel's map.
pub fn log_directory(log: &LogDir) -> LogDirectory {
    let dev = kernel_dev(major(log.dev), minor(log.dev));
    LogDirectory { inode: log.inode, dev, reserved: 0 }
}

/// The kernel's counters, as far as disk usage can be told by them.
#[derive(Clone, Copy)]
pub struct DiskCounters<'a> {
    /// The counters.
    pub counters: &'a Counters,
    /// Bytes written are counted.
    pub writes: bool,
    /// Kernel numbers of the filesystems on which blocks are counted.
    pub space: &'a [u32],
}

/// The parts of a pod's usage of which each is told by its own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByPart<T> {
    pub(super) logs: T,
    pub(super) volumes: T,
}

/// Of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Bytes written.
    pub(super) written: u64,
    /// Blocks taken and given back.
    pub(super) space: Space,
}

/// Where blocks of a pod are counted.
pub(super) fn counts_space(pod: &Pod, counters: DiskCounters<'_>, dev: u32) -> ByPart<bool> {
    let on = |dev: u32| counters.space.contains(&dev);
    // The kernel counts by cgroup v2 id.
    let has_id = pod.cgroup().is_none_or(|cgroup| cgroup.dirs().unified.is_some());
    ByPart {
        logs: pod.logs().iter().all(|log| on(log_directory(log).dev)),
        volumes: has_id && on(dev),
    }
}

impl ByPart<Tally> {
    /// Reads what there is to go by: blocks where `exact`, bytes written elsewhere. `dev`: the kernel's
    /// number of nodefs.
    pub(super) fn read(
        pod: &Pod,
        owners: &Owners,
        exact: ByPart<bool>,
        counters: DiskCounters<'_>,
        dev: u32,
    ) -> Self {
        let mut tally = Self::default();
        let space = |owner: &SpaceOwner| counters.counters.space_of(*owner).unwrap_or_default();
        if exact.logs {
            tally.logs.space = owners.sum_logs(space);
        } else if counters.writes {
            tally.logs.written = written_into_logs(pod, counters.counters);
        }
        if exact.volumes {
            tally.volumes.space = owners.sum_volumes(space);
        } else if counters.writes {
            tally.volumes.written = written_by(pod, counters.counters, dev);
        }
        tally
    }

    /// Only bytes written, whatever else is counted.
    pub(super) fn written(pod: &Pod, counters: DiskCounters<'_>, dev: u32) -> Self {
        Self::read(pod, &Owners::default(), ByPart::default(), counters, dev)
    }

    /// Bytes written since `then`; nothing where counters began anew.
    pub(super) const fn written_since(self, then: Self) -> u64 {
        let logs = self.logs.written.saturating_sub(then.logs.written);
        let volumes = self.volumes.written.saturating_sub(then.volumes.written);
        logs.saturating_add(volumes)
    }

    /// Bytes of blocks taken since `then`, whatever was given back.
    pub(super) const fn grown_since(self, then: Self) -> u64 {
        let logs = self.logs.space.grown.saturating_sub(then.logs.space.grown);
        let volumes = self.volumes.space.grown.saturating_sub(then.volumes.space.grown);
        logs.saturating_add(volumes)
    }

    /// Bytes of blocks that changed hands since `then`.
    pub(super) const fn changed_since(self, then: Self) -> u64 {
        let logs = self.logs.space.released.saturating_sub(then.logs.space.released);
        let volumes = self.volumes.space.released.saturating_sub(then.volumes.space.released);
        self.grown_since(then).saturating_add(logs).saturating_add(volumes)
    }
}

fn written_into_logs(pod: &Pod, counters: &Counters) -> u64 {
    let logs = pod.logs().iter().filter_map(|log| counters.log_writes(&log_directory(log)));
    logs.map(|writes| writes.bytes).sum()
}

fn written_by(pod: &Pod, counters: &Counters, dev: u32) -> u64 {
    let cgroups = pod
        .cgroup()
        .into_iter()
        .flat_map(|pod| pod.containers().iter().map(|c| c.inode).chain([pod.inode()]));
    cgroups.filter_map(|id| counters.writes(id, dev)).map(|writes| writes.bytes).sum()
}

/// Tells whether the same counters are summed as before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    logs: u64,
    cgroups: u64,
}

impl Seen {
    pub(super) fn of(pod: &Pod) -> Self {
        let cgroups = pod.cgroup().into_iter().flat_map(PodCgroup::containers);
        Self {
            logs: mixed(pod.logs().iter().map(|log| log.inode)),
            cgroups: mixed(cgroups.map(|container| container.inode)),
        }
    }

    /// When a container or a log directory goes, its counters of writes go too, and what it wrote since
    /// the walk can only be found by walking again. Accounts of space are kept for as long as the pod
    /// lives; but the files of a new log directory may have grown before it was watched.
    pub(super) fn holds(self, now: Self, is_exact: bool) -> bool {
        self.logs == now.logs && (is_exact || self.cgroups == now.cgroups)
    }
}

fn mixed(inodes: impl Iterator<Item = u64>) -> u64 {
    inodes.fold(0, |sum, inode| sum ^ inode.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
