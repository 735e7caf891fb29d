//! The counting maps, opened once more for a thread that only reads.

use std::{collections::BTreeMap, os::fd::AsFd as _};

use aya::{
    Ebpf,
    maps::{HashMap, Map, MapData, MapError, PerCpuArray, PerCpuHashMap},
};
use evictd_common::{
    DeviceCgroup, FileKey, Growing, Held, LogDirectory, Probe, RecentWrites, Space, SpaceOwner,
    Tasks, Writes, kernel_dev,
};
use rustix::fs::{major, minor};

use super::{counters::pending_space, load::LoadError};

/// Reads every counter at once. Independent of [`Counters`](super::Counters): it has descriptors of its
/// own and changes nothing.
pub struct CounterReader {
    writes: PerCpuHashMap<MapData, DeviceCgroup, Writes>,
    log_writes: PerCpuHashMap<MapData, LogDirectory, Writes>,
    recent: PerCpuArray<MapData, RecentWrites>,
    tasks: PerCpuHashMap<MapData, u64, Tasks>,
    space: PerCpuHashMap<MapData, SpaceOwner, Space>,
    inodes: HashMap<MapData, FileKey, Held>,
    growing: PerCpuArray<MapData, Growing>,
    drops: PerCpuArray<MapData, u64>,
}

/// Bytes that were written by somebody.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// By cgroup id, to all filesystems that are probed.
    pub cgroups: BTreeMap<u64, u64>,
    /// Into log directories that are counted.
    pub logs: BTreeMap<LogDirectory, u64>,
}

/// Bytes of blocks on watched filesystems, taken less given back since the probes were loaded.
#[derive(Clone, Debug, Default)]
pub struct Grown {
    /// By cgroup id.
    pub cgroups: BTreeMap<u64, i64>,
    /// By files in log directories.
    pub logs: BTreeMap<LogDirectory, i64>,
    /// By files whose owner is not known.
    pub unowned: i64,
}

impl CounterReader {
    /// Opens the maps of a loaded object again. To be called before
    /// [`Counters::take`](super::Counters::take), which takes them out of it.
    pub fn open(ebpf: &Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            writes: again(ebpf, "WRITES")?,
            log_writes: again(ebpf, "LOG_WRITES")?,
            recent: again(ebpf, "RECENT")?,
            tasks: again(ebpf, "TASKS")?,
            space: again(ebpf, "SPACE")?,
            inodes: again(ebpf, "INODES")?,
            growing: again(ebpf, "GROWING")?,
            drops: again(ebpf, "DROPS")?,
        })
    }

    /// What was written. A run of writes that the kernel adds up just now may be missed until the next
    /// reading: at most [`RecentWrites::MOST_BYTES`] a CPU.
    pub fn written(&self) -> Written {
        // A key that is removed meanwhile starts the kernel's walk over: by key, so that none counts
        // twice.
        let sum = |values: &[Writes]| values.iter().map(|writes| writes.bytes).sum();
        let entries = self.writes.iter().filter_map(Result::ok);
        let mut by_key: BTreeMap<DeviceCgroup, u64> =
            entries.map(|(key, values)| (key, sum(&values))).collect();
        let entries = self.log_writes.iter().filter_map(Result::ok);
        let mut logs: BTreeMap<LogDirectory, u64> =
            entries.map(|(key, values)| (key, sum(&values))).collect();
        for recent in self.recent.get(&0, 0).iter().flat_map(|values| values.iter()) {
            let bytes = recent.writes.bytes;
            if bytes > 0 {
                *by_key.entry(recent.key()).or_default() += bytes;
            }
            if let Some(log) = logs.get_mut(&recent.log_key()) {
                *log += bytes;
            }
        }
        let mut cgroups = BTreeMap::new();
        for (key, bytes) in by_key {
            *cgroups.entry(key.cgroup_id).or_default() += bytes;
        }
        Written { cgroups, logs }
    }

    /// Space taken and given back.
    pub fn grown(&self) -> Grown {
        self.grown_where(|_| true)
    }

    /// The same on the filesystem with that kernel number.
    pub fn grown_on(&self, dev: u32) -> Grown {
        self.grown_where(|on| on == dev)
    }

    fn grown_where(&self, is_meant: impl Fn(u32) -> bool) -> Grown {
        let mut grown = Grown::default();
        let mut by_key: BTreeMap<SpaceOwner, i64> = self
            .space
            .iter()
            .filter_map(Result::ok)
            .map(|(key, values)| (key, values.iter().map(|space| space.net()).sum()))
            .collect();
        for (owner, bytes) in pending_space(&self.growing, &self.inodes) {
            let known =
                if by_key.contains_key(&owner) { owner } else { SpaceOwner::nobody(owner.dev) };
            if let Some(sum) = by_key.get_mut(&known) {
                *sum += bytes.cast_signed();
            }
        }
        let meant = by_key.into_iter().filter(|(owner, _)| is_meant(owner.dev));
        for (SpaceOwner { id, dev, is_log_directory }, bytes) in meant {
            if is_log_directory == 1 {
                grown.logs.insert(LogDirectory { inode: id, dev, reserved: 0 }, bytes);
            } else if id == 0 {
                grown.unowned += bytes;
            } else {
                *grown.cgroups.entry(id).or_default() += bytes;
            }
        }
        grown
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
pub(super) fn again<M>(ebpf: &Ebpf, name: &'static str) -> Result<M, LoadError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let duplicate = || {
        let (data, of_kind): (_, fn(MapData) -> Map) = match ebpf.map(name) {
            Some(Map::PerCpuHashMap(data)) => (data, Map::PerCpuHashMap),
            Some(Map::PerCpuArray(data)) => (data, Map::PerCpuArray),
            Some(Map::LruHashMap(data)) => (data, Map::LruHashMap),
            Some(_) | None => return Err(MapError::InvalidName { name: name.to_owned() }),
        };
        let fd = data.fd().as_fd().try_clone_to_owned().map_err(MapError::IoError)?;
        M::try_from(of_kind(MapData::from_fd(fd)?))
    };
    duplicate().map_err(|source| LoadError::Map { name, source: Box::new(source) })
}
