//! The counting maps, opened once more for a thread that only reads.

use std::{collections::BTreeMap, os::fd::AsFd as _};

use aya::{
    Ebpf,
    maps::{Map, MapData, MapError, PerCpuArray, PerCpuHashMap},
};
use evictd_common::{DeviceCgroup, LogDirectory, Probe, Tasks, Writes, kernel_dev};
use rustix::fs::{major, minor};

use super::load::LoadError;

/// Reads every counter at once. Independent of [`Counters`](super::Counters): it has descriptors of its
/// own and changes nothing.
pub struct CounterReader {
    writes: PerCpuHashMap<MapData, DeviceCgroup, Writes>,
    log_writes: PerCpuHashMap<MapData, LogDirectory, Writes>,
    tasks: PerCpuHashMap<MapData, u64, Tasks>,
    drops: PerCpuArray<MapData, u64>,
}

impl CounterReader {
    /// Opens the maps of a loaded object again. To be called before
    /// [`Counters::take`](super::Counters::take), which takes them out of it.
    pub fn open(ebpf: &Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            writes: again(ebpf, "WRITES")?,
            log_writes: again(ebpf, "LOG_WRITES")?,
            tasks: again(ebpf, "TASKS")?,
            drops: again(ebpf, "DROPS")?,
        })
    }

    /// Bytes written by cgroup id, to all filesystems that are probed.
    pub fn writes(&self) -> BTreeMap<u64, u64> {
        // A key that is removed meanwhile starts the kernel's walk over: by key, so that none counts
        // twice.
        let by_key: BTreeMap<DeviceCgroup, u64> = self
            .writes
            .iter()
            .filter_map(Result::ok)
            .map(|(key, values)| (key, values.iter().map(|writes| writes.bytes).sum()))
            .collect();
        let mut by_cgroup = BTreeMap::new();
        for (key, bytes) in by_key {
            *by_cgroup.entry(key.cgroup_id).or_default() += bytes;
        }
        by_cgroup
    }

    /// Bytes written by log directory, for those that are counted.
    pub fn log_writes(&self) -> BTreeMap<LogDirectory, u64> {
        let entries = self.log_writes.iter().filter_map(Result::ok);
        entries.map(|(key, values)| (key, values.iter().map(|w| w.bytes).sum())).collect()
    }

    /// Tasks created, by cgroup id.
    pub fn forks(&self) -> BTreeMap<u64, u64> {
        let entries = self.tasks.iter().filter_map(Result::ok);
        entries.map(|(id, values)| (id, values.iter().map(|tasks| tasks.forks).sum())).collect()
    }

    /// Records and keys of a family that could not be delivered.
    pub fn drops(&self, family: Probe) -> u64 {
        self.drops.get(&(family as u32), 0).map_or(0, |values| values.iter().sum())
    }
}

/// Key of the log directory with that device (`st_dev`) and inode.
pub fn log_directory(st_dev: u64, inode: u64) -> LogDirectory {
    LogDirectory { inode, dev: kernel_dev(major(st_dev), minor(st_dev)), reserved: 0 }
}

/// Another descriptor of a map of the object.
fn again<M>(ebpf: &Ebpf, name: &'static str) -> Result<M, LoadError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let duplicate = || {
        let data = match ebpf.map(name) {
            Some(Map::PerCpuHashMap(data) | Map::PerCpuArray(data)) => data,
            Some(_) | None => return Err(MapError::InvalidName { name: name.to_owned() }),
        };
        let fd = data.fd().as_fd().try_clone_to_owned().map_err(MapError::IoError)?;
        let data = MapData::from_fd(fd)?;
        let is_array = name == "DROPS";
        M::try_from(if is_array { Map::PerCpuArray(data) } else { Map::PerCpuHashMap(data) })
    };
    duplicate().map_err(|source| LoadError::Map { name, source: Box::new(source) })
}
