//! Reading the kernel's counters. They only ever grow; rates are for the reader to form.

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues},
};
use evictd_common::{
    DEPARTED_CGROUP, DeviceCgroup, FileKey, Growing, Held, LogDirectory, MAX_TRIPWIRES,
    OTHER_CGROUP, Probe, RecentWrites, Space, SpaceOwner, Tasks, Watched, Writes,
};

use super::{departed::Departed, load::LoadError};

/// The counting maps of a loaded object.
pub struct Counters {
    pub(super) writes: PerCpuHashMap<MapData, DeviceCgroup, Writes>,
    log_writes: PerCpuHashMap<MapData, LogDirectory, Writes>,
    pub(super) recent: PerCpuArray<MapData, RecentWrites>,
    pub(super) tasks: PerCpuHashMap<MapData, u64, Tasks>,
    pub(super) space: PerCpuHashMap<MapData, SpaceOwner, Space>,
    inodes: HashMap<MapData, FileKey, Held>,
    growing: PerCpuArray<MapData, Growing>,
    watched: Watched,
    watched_map: Array<MapData, Watched>,
    drops: PerCpuArray<MapData, u64>,
    pub(super) departed: Departed,
}

impl Counters {
    /// Takes the maps out of the object.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let mut counters = Self {
            writes: super::load::take_map(ebpf, "WRITES")?,
            log_writes: super::load::take_map(ebpf, "LOG_WRITES")?,
            recent: super::load::take_map(ebpf, "RECENT")?,
            tasks: super::load::take_map(ebpf, "TASKS")?,
            space: super::load::take_map(ebpf, "SPACE")?,
            inodes: super::load::take_map(ebpf, "INODES")?,
            growing: super::load::take_map(ebpf, "GROWING")?,
            watched: Watched::default(),
            watched_map: super::load::take_map(ebpf, "WATCHED")?,
            drops: super::load::take_map(ebpf, "DROPS")?,
            departed: Departed::default(),
        };
        for id in [OTHER_CGROUP, DEPARTED_CGROUP] {
            let added =
                zeros(Tasks::default()).and_then(|zeros| counters.tasks.insert(id, zeros, 0));
            added.map_err(|source| LoadError::Map { name: "TASKS", source: Box::new(source) })?;
        }
        Ok(counters)
    }

    /// Counts a filesystem's writes against tripwire `slot`. `dev` is the kernel's `dev_t`.
    pub fn watch(&mut self, dev: u32, slot: u32) -> Result<(), MapError> {
        if !self.watched.add(dev, slot) {
            return Err(MapError::OutOfBounds { index: slot, max_entries: MAX_TRIPWIRES });
        }
        self.publish()?;
        // While there is room: it is for when there is none.
        for cgroup_id in [OTHER_CGROUP, DEPARTED_CGROUP] {
            let key = DeviceCgroup { cgroup_id, dev, reserved: 0 };
            self.writes.insert(key, zeros(Writes::default())?, 0)?;
        }
        self.space.insert(SpaceOwner::nobody(dev), zeros(Space::default())?, 0)
    }

    /// Lets the kernel look up anew what it remembers of the files that are written to.
    fn publish(&mut self) -> Result<(), MapError> {
        self.watched.generation = self.watched.generation.wrapping_add(1);
        self.watched_map.set(0, self.watched, 0)
    }

    /// Starts to count writes into a log directory.
    pub fn watch_log_directory(&mut self, directory: LogDirectory) -> Result<(), MapError> {
        if self.log_writes.get(&directory, 0).is_ok() {
            return Ok(());
        }
        self.log_writes.insert(directory, zeros(Writes::default())?, 0)?;
        self.publish()
    }

    /// Stops counting a log directory.
    pub fn forget_log_directory(&mut self, directory: &LogDirectory) {
        // Absent is as good as removed.
        let _ = self.log_writes.remove(directory);
        self.forget_space(SpaceOwner::log_directory(directory.inode, directory.dev));
    }

    /// What has been written into a log directory since it is watched.
    pub fn log_writes(&self, directory: &LogDirectory) -> Option<Writes> {
        let posted = self.log_writes.get(directory, 0).ok().map(|values| sum_writes(&values))?;
        Some(self.with_recent(posted, |recent| recent.log_key() == *directory))
    }

    /// What a cgroup has written to a filesystem.
    pub fn writes(&self, cgroup_id: u64, dev: u32) -> Option<Writes> {
        let key = DeviceCgroup { cgroup_id, dev, reserved: 0 };
        let posted = self.writes.get(&key, 0).ok().map(|values| sum_writes(&values));
        let all = self.with_recent(posted.unwrap_or_default(), |recent| recent.key() == key);
        (posted.is_some() || all.calls > 0).then_some(all)
    }

    /// Adds the runs that go on. They are read after what was posted: a run that is posted in between
    /// is missed this time rather than counted twice.
    fn with_recent(&self, posted: Writes, is_meant: impl Fn(&RecentWrites) -> bool) -> Writes {
        let Ok(values) = self.recent.get(&0, 0) else {
            return posted;
        };
        values.iter().filter(|recent| is_meant(recent)).fold(posted, |sum, recent| Writes {
            bytes: sum.bytes + recent.writes.bytes,
            calls: sum.calls + recent.writes.calls,
        })
    }

    /// Space that the files of a cgroup have taken and given back on a watched filesystem: files
    /// that it was the first to grow, and that are in no log directory.
    pub fn space(&self, cgroup_id: u64, dev: u32) -> Option<Space> {
        self.space_of(SpaceOwner::cgroup(cgroup_id, dev))
    }

    /// Space that the files in a log directory have taken and given back.
    pub fn log_space(&self, directory: &LogDirectory) -> Option<Space> {
        self.space_of(SpaceOwner::log_directory(directory.inode, directory.dev))
    }

    /// Space given back (or taken) that is on nobody's account: by files that grew before the probes
    /// were loaded, or whose owner is gone.
    pub fn unowned_space(&self, dev: u32) -> Option<Space> {
        self.space_of(SpaceOwner::nobody(dev))
    }

    /// An owner's account; `None` if it has none yet.
    pub fn space_of(&self, owner: SpaceOwner) -> Option<Space> {
        account(&self.space, &self.growing, &self.inodes, owner)
    }

    /// Drops the account of an owner that is gone.
    pub fn forget_space(&mut self, owner: SpaceOwner) {
        // Absent is as good as removed.
        let _ = self.space.remove(&owner);
    }

    /// What a cgroup has forked and ended.
    pub fn tasks(&self, cgroup_id: u64) -> Option<Tasks> {
        self.tasks.get(&cgroup_id, 0).ok().map(|values| sum_tasks(&values))
    }

    /// Records and keys that could not be delivered, by probe.
    pub fn drops(&self, probe: Probe) -> u64 {
        self.drops.get(&(probe as u32), 0).map_or(0, |values| values.iter().sum())
    }
}

/// Bytes that writes have taken and that no account has yet, by owner. Read after the accounts: what is
/// charged in between is missed this time rather than counted twice.
pub(super) fn pending_space(
    growing: &PerCpuArray<MapData, Growing>,
    inodes: &HashMap<MapData, FileKey, Held>,
) -> impl Iterator<Item = (SpaceOwner, u64)> {
    let cpus = growing.get(&0, 0).map_or_else(|_| Vec::new(), |cpus| cpus.to_vec());
    cpus.into_iter().filter_map(|growing| {
        let held = inodes.get(&growing.key(), 0).ok()?;
        let Held { owner: id, is_log_directory, .. } = held;
        let bytes = u64::try_from(growing.pending(&held)).ok().filter(|bytes| *bytes > 0)?;
        Some((SpaceOwner { id, dev: growing.dev, is_log_directory }, bytes))
    })
}

/// An owner's account, over all CPUs, what is pending included.
pub(super) fn account(
    space: &PerCpuHashMap<MapData, SpaceOwner, Space>,
    growing: &PerCpuArray<MapData, Growing>,
    inodes: &HashMap<MapData, FileKey, Held>,
    owner: SpaceOwner,
) -> Option<Space> {
    let values = space.get(&owner, 0).ok()?;
    let mut sum = values.iter().fold(Space::default(), |sum, value| sum + *value);
    // Where the map is full, blocks of owners without a place are nobody's.
    let is_nobody = owner == SpaceOwner::nobody(owner.dev);
    let pending = pending_space(growing, inodes).filter(|(whose, _)| {
        *whose == owner || is_nobody && whose.dev == owner.dev && space.get(whose, 0).is_err()
    });
    sum.grown += pending.map(|(_, bytes)| bytes).sum::<u64>();
    Some(sum)
}

/// The same value for every CPU.
pub(super) fn zeros<V: Pod>(zero: V) -> Result<PerCpuValues<V>, MapError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
    PerCpuValues::try_from(vec![zero; cpus]).map_err(MapError::IoError)
}

pub(super) fn sum_tasks(values: &PerCpuValues<Tasks>) -> Tasks {
    values.iter().fold(Tasks::default(), |sum, value| Tasks {
        forks: sum.forks + value.forks,
        exits: sum.exits + value.exits,
    })
}

pub(super) fn sum_writes(values: &PerCpuValues<Writes>) -> Writes {
    values.iter().fold(Writes::default(), |sum, value| Writes {
        bytes: sum.bytes + value.bytes,
        calls: sum.calls + value.calls,
    })
}
