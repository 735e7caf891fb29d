//! The keys of cgroups that are gone: dropped when their counts are final, and what they had counted
//! kept in the sum.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::{MapData, MapError, PerCpuHashMap, PerCpuValues};
use evictd_common::{DEPARTED_CGROUP, DeviceCgroup, OTHER_CGROUP, Tasks, Writes};

use super::counters::{Counters, sum_tasks, sum_writes, zeros};

/// What is known of the cgroups that are gone.
#[derive(Debug, Default)]
pub(super) struct Departed {
    /// Those whose writes are still counted, and whether a CPU had nothing left to post last time.
    waiting: BTreeMap<u64, bool>,
    /// What the others had written, by filesystem.
    writes: BTreeMap<u32, Writes>,
    /// What the others had forked and ended.
    tasks: Tasks,
}

impl Counters {
    /// A cgroup is gone. Nobody forks in it any more, but its last run of writes may not be posted yet:
    /// see [`Self::settle_departed`].
    pub fn depart(&mut self, cgroup_id: u64) {
        if let Ok(values) = self.tasks.get(&cgroup_id, 0) {
            // Absent is as good as removed.
            let _ = self.tasks.remove(&cgroup_id);
            let (tasks, sum) = (sum_tasks(&values), &mut self.departed.tasks);
            sum.forks += tasks.forks;
            sum.exits += tasks.exits;
            keep(&mut self.tasks, DEPARTED_CGROUP, self.departed.tasks);
        }
        self.departed.waiting.insert(cgroup_id, false);
    }

    /// Drops the write keys of departed cgroups of which no CPU has anything to post. To be called every
    /// now and then. Such a run of writes is posted when another begins on that CPU, so at most one
    /// departed cgroup a CPU keeps its key for longer than two calls.
    pub fn settle_departed(&mut self) {
        if self.departed.waiting.is_empty() {
            return;
        }
        let unposted: BTreeSet<u64> = self.recent.get(&0, 0).map_or_else(
            |_| self.departed.waiting.keys().copied().collect(),
            |values| values.iter().filter(|r| r.writes.calls > 0).map(|r| r.cgroup_id).collect(),
        );
        let mut over = BTreeSet::new();
        self.departed.waiting.retain(|id, was_posted| {
            let is_posted = !unposted.contains(id);
            // Twice: what was being posted the first time is in the map by now.
            if is_posted && *was_posted {
                over.insert(*id);
            }
            !(is_posted && std::mem::replace(was_posted, is_posted))
        });
        if over.is_empty() {
            return;
        }
        let keys: Vec<DeviceCgroup> = self.writes.keys().filter_map(Result::ok).collect();
        for key in keys.into_iter().filter(|key| over.contains(&key.cgroup_id)) {
            self.drop_writes(key);
        }
        for dev in self.departed.writes.keys() {
            let key = DeviceCgroup { cgroup_id: DEPARTED_CGROUP, dev: *dev, reserved: 0 };
            keep(&mut self.writes, key, self.departed.writes.get(dev).copied().unwrap_or_default());
        }
    }

    fn drop_writes(&mut self, key: DeviceCgroup) {
        let Ok(values) = self.writes.get(&key, 0) else {
            return;
        };
        if self.writes.remove(&key).is_ok() {
            let writes = sum_writes(&values);
            let sum = self.departed.writes.entry(key.dev).or_default();
            sum.bytes += writes.bytes;
            sum.calls += writes.calls;
        }
    }

    /// Every cgroup that something is counted of, except those that are waited for.
    pub fn counted_cgroups(&self) -> BTreeSet<u64> {
        let writes = self.writes.keys().filter_map(Result::ok).map(|key| key.cgroup_id);
        let space = self.space.keys().filter_map(Result::ok);
        let space = space.filter(|owner| owner.is_log_directory == 0).map(|owner| owner.id);
        let all = self.tasks.keys().filter_map(Result::ok).chain(writes).chain(space);
        let is_meant = |id: &u64| {
            !matches!(*id, OTHER_CGROUP | DEPARTED_CGROUP)
                && !self.departed.waiting.contains_key(id)
        };
        all.filter(is_meant).collect()
    }
}

/// Sets a key that only user space writes. A map without room for it gets it the next time.
fn keep<K: aya::Pod, V: aya::Pod + Default>(
    map: &mut PerCpuHashMap<MapData, K, V>,
    key: K,
    sum: V,
) {
    let set = |map: &mut PerCpuHashMap<MapData, K, V>| -> Result<(), MapError> {
        let mut values: Vec<V> = zeros(V::default())?.to_vec();
        if let Some(first) = values.first_mut() {
            *first = sum;
        }
        map.insert(key, PerCpuValues::try_from(values).map_err(MapError::IoError)?, 0)
    };
    let _ = set(map);
}
