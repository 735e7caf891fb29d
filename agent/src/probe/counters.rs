//! Reading the kernel's counters. They only ever grow; rates are for the reader to form.

use aya::{
    Ebpf, Pod,
    maps::{HashMap, MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues},
};
use evictd_common::{DeviceCgroup, LogDirectory, Probe, Tasks, Writes};

use super::load::LoadError;

/// The counting maps of a loaded object.
pub struct Counters {
    writes: PerCpuHashMap<MapData, DeviceCgroup, Writes>,
    log_writes: PerCpuHashMap<MapData, LogDirectory, Writes>,
    tasks: PerCpuHashMap<MapData, u64, Tasks>,
    watched: HashMap<MapData, u32, u32>,
    drops: PerCpuArray<MapData, u64>,
}

impl Counters {
    /// Takes the maps out of the object.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            writes: super::load::take_map(ebpf, "WRITES")?,
            log_writes: super::load::take_map(ebpf, "LOG_WRITES")?,
            tasks: super::load::take_map(ebpf, "TASKS")?,
            watched: super::load::take_map(ebpf, "WATCHED")?,
            drops: super::load::take_map(ebpf, "DROPS")?,
        })
    }

    /// Counts a filesystem's writes against tripwire `slot`. `dev` is the kernel's `dev_t`.
    pub fn watch(&mut self, dev: u32, slot: u32) -> Result<(), MapError> {
        self.watched.insert(dev, slot, 0)
    }

    /// Starts to count writes into a log directory.
    pub fn watch_log_directory(&mut self, directory: LogDirectory) -> Result<(), MapError> {
        if self.log_writes.get(&directory, 0).is_ok() {
            return Ok(());
        }
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
        let zero = PerCpuValues::try_from(vec![Writes::default(); cpus]);
        self.log_writes.insert(directory, zero.map_err(MapError::IoError)?, 0)
    }

    /// Stops counting a log directory.
    pub fn forget_log_directory(&mut self, directory: &LogDirectory) {
        // Absent is as good as removed.
        let _ = self.log_writes.remove(directory);
    }

    /// What has been written into a log directory since it is watched.
    pub fn log_writes(&self, directory: &LogDirectory) -> Option<Writes> {
        self.log_writes.get(directory, 0).ok().map(|values| sum_writes(&values))
    }

    /// What a cgroup has written to a filesystem.
    pub fn writes(&self, cgroup_id: u64, dev: u32) -> Option<Writes> {
        let key = DeviceCgroup { cgroup_id, dev, reserved: 0 };
        self.writes.get(&key, 0).ok().map(|values| sum_writes(&values))
    }

    /// What a cgroup has forked and ended.
    pub fn tasks(&self, cgroup_id: u64) -> Option<Tasks> {
        let values = self.tasks.get(&cgroup_id, 0).ok()?;
        Some(values.iter().fold(Tasks::default(), |sum, value| Tasks {
            forks: sum.forks + value.forks,
            exits: sum.exits + value.exits,
        }))
    }

    /// Drops the keys of a cgroup that is gone.
    pub fn forget_cgroup(&mut self, cgroup_id: u64, devs: &[u32]) {
        // Absent is as good as removed.
        let _ = self.tasks.remove(&cgroup_id);
        for dev in devs {
            let _ = self.writes.remove(&DeviceCgroup { cgroup_id, dev: *dev, reserved: 0 });
        }
    }

    /// Records and keys that could not be delivered, by probe.
    pub fn drops(&self, probe: Probe) -> u64 {
        self.drops.get(&(probe as u32), 0).map_or(0, |values| values.iter().sum())
    }
}

fn sum_writes(values: &PerCpuValues<Writes>) -> Writes
where
    Writes: Pod,
{
    values.iter().fold(Writes::default(), |sum, value| Writes {
        bytes: sum.bytes + value.bytes,
        calls: sum.calls + value.calls,
    })
}
