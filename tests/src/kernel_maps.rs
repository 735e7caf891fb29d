//! The counting maps of a running evictd, read from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context as _, Result};
use aya::{
    Pod,
    maps::{Map, MapData, MapError, MapInfo, PerCpuArray, PerCpuHashMap},
};
use evictd_common::{
    DEPARTED_CGROUP, DeviceCgroup, LogDirectory, OTHER_CGROUP, RecentWrites, Space, SpaceOwner,
    Tasks, Writes,
};

/// Descriptors of our own.
pub struct KernelMaps {
    writes: PerCpuHashMap<MapData, DeviceCgroup, Writes>,
    log_writes: PerCpuHashMap<MapData, LogDirectory, Writes>,
    recent: PerCpuArray<MapData, RecentWrites>,
    tasks: PerCpuHashMap<MapData, u64, Tasks>,
    space: PerCpuHashMap<MapData, SpaceOwner, Space>,
}

impl KernelMaps {
    /// Opens the maps that this process holds.
    pub fn of_process(pid: u32) -> Result<Self> {
        let mut ids = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let id =
                text.lines().find_map(|line| line.strip_prefix("map_id:")?.trim().parse().ok());
            if let Some(id) = id {
                let name = MapInfo::from_id(id)?.name_as_str().unwrap_or_default().to_owned();
                ids.insert(name, id);
            }
        }
        let open = |name: &str| -> Result<MapData> {
            let id = ids.get(name).with_context(|| format!("process {pid} has no map {name}"))?;
            MapData::from_id(*id).with_context(|| name.to_owned())
        };
        Ok(Self {
            writes: hash(open("WRITES")?)?,
            log_writes: hash(open("LOG_WRITES")?)?,
            recent: Map::PerCpuArray(open("RECENT")?).try_into()?,
            tasks: hash(open("TASKS")?)?,
            space: hash(open("SPACE")?)?,
        })
    }

    /// Every cgroup that there is a key of, as far as a cgroup is meant.
    pub fn cgroups(&self) -> BTreeSet<u64> {
        let writes = self.writes.keys().flatten().map(|key| key.cgroup_id);
        let space = self.space.keys().flatten().filter(|owner| owner.is_log_directory == 0);
        let all = self.tasks.keys().flatten().chain(writes).chain(space.map(|owner| owner.id));
        all.filter(|id| !matches!(*id, OTHER_CGROUP | DEPARTED_CGROUP)).collect()
    }

    /// Inodes of the log directories that are counted.
    pub fn log_directories(&self) -> BTreeSet<u64> {
        self.log_writes.keys().flatten().map(|key| key.inode).collect()
    }

    /// Bytes written to a filesystem by everybody, whether there still or gone.
    pub fn written(&self, dev: u32) -> Result<u64> {
        let of_dev = |(key, values): (DeviceCgroup, _)| (key.dev == dev).then_some((key, values));
        // By key: a key that goes meanwhile starts the kernel's walk over.
        let posted: BTreeMap<DeviceCgroup, u64> = self
            .writes
            .iter()
            .flatten()
            .filter_map(of_dev)
            .map(|(key, values)| (key, values.iter().map(|writes: &Writes| writes.bytes).sum()))
            .collect();
        let recent = self.recent.get(&0, 0)?;
        let unposted = recent.iter().filter(|r| r.dev == dev).map(|r| r.writes.bytes);
        Ok(posted.values().copied().chain(unposted).sum())
    }

    /// Forks of one cgroup; `None` without a key.
    pub fn forks(&self, cgroup_id: u64) -> Option<u64> {
        let values = self.tasks.get(&cgroup_id, 0).ok()?;
        Some(values.iter().map(|tasks| tasks.forks).sum())
    }
}

fn hash<K: Pod, V: Pod>(data: MapData) -> Result<PerCpuHashMap<MapData, K, V>, MapError> {
    Map::PerCpuHashMap(data).try_into()
}
