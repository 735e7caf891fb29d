//! Per-pod disk usage without `du` on the way to a decision: one walk of each pod's directories,
//! then the kernel's counters; walked again only for the pods that have written since.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use evictd_common::{LogDirectory, kernel_dev};
use evictd_core::{DiskUsage, PodUsage};
use rustix::fs::{major, minor};

use crate::{
    pods::{LogDir, Pod, PodCgroup, PodIndex},
    probe::Counters,
    sample::{DiskLimits, DiskWalk},
};

/// One pod's walk. Larger trees are unknown until something is written, then known from below.
const POD_WALK: DiskLimits = DiskLimits { entries: 20_000, time: Duration::from_millis(5) };

/// All walks on the way to one decision, and all walks of one tick.
const WALKS: Duration = Duration::from_millis(10);

/// One pod's walk, and all walks, where somebody waits for the answer and nothing else does.
const PATIENT_POD_WALK: DiskLimits =
    DiskLimits { entries: 10_000_000, time: Duration::from_secs(30) };
const PATIENT_WALKS: Duration = Duration::from_secs(120);

/// Key of a log directory in the kernel's map.
pub fn log_directory(log: &LogDir) -> LogDirectory {
    let dev = kernel_dev(major(log.dev), minor(log.dev));
    LogDirectory { inode: log.inode, dev, reserved: 0 }
}

/// Bytes that the kernel saw written, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Written {
    logs: u64,
    volumes: u64,
}

impl Written {
    fn by(pod: &Pod, counters: &Counters, dev: u32) -> Self {
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
    fn since(self, then: Self) -> Self {
        Self {
            logs: self.logs.saturating_sub(then.logs),
            volumes: self.volumes.saturating_sub(then.volumes),
        }
    }

    const fn total(self) -> u64 {
        self.logs.saturating_add(self.volumes)
    }
}

/// The last walk of one pod.
#[derive(Clone, Copy, Debug)]
struct Walked {
    logs: Option<DiskUsage>,
    volumes: Option<DiskUsage>,
    at: Written,
    counted: u64,
}

/// Tells whether the same counters are summed as before. When a container or a log directory goes, its
/// counters go too, and what it wrote since the walk can only be found by walking again.
fn counted(pod: &Pod) -> u64 {
    let cgroups = pod.cgroup().into_iter().flat_map(PodCgroup::containers);
    let inodes = cgroups.map(|c| c.inode).chain(pod.logs().iter().map(|log| log.inode));
    inodes.fold(0, |sum, inode| sum ^ inode.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Disk usage of every pod.
pub struct DiskUsages {
    dev: u32,
    /// How long walks may take in all.
    time: Duration,
    walk: DiskWalk,
    walked: BTreeMap<Arc<str>, Walked>,
    /// Reused between decisions: (bytes since the walk, number of the pod).
    order: Vec<(u64, usize)>,
    /// Reused likewise: what each pod of the index has written.
    snapshot: Vec<Written>,
}

impl DiskUsages {
    /// Usage on the filesystem with that kernel `dev_t`.
    pub fn new(dev: u32) -> Self {
        Self::within(dev, POD_WALK, WALKS)
    }

    /// The same for one look that may take its time.
    pub fn patient(dev: u32) -> Self {
        Self::within(dev, PATIENT_POD_WALK, PATIENT_WALKS)
    }

    fn within(dev: u32, pod: DiskLimits, time: Duration) -> Self {
        Self {
            dev,
            time,
            walk: DiskWalk::new(pod),
            walked: BTreeMap::new(),
            order: Vec::new(),
            snapshot: Vec::new(),
        }
    }

    /// Walks pods that have not been walked since they last changed, as far as time allows, and forgets
    /// those that are gone. Called at start and on ticks, not on the way to a decision.
    pub fn prepare(&mut self, index: &PodIndex, counters: Option<&Counters>) {
        self.walked.retain(|uid, _| index.by_uid(uid).is_some());
        let begin = Instant::now();
        for pod in index.iter() {
            if begin.elapsed() > self.time {
                return;
            }
            if self.valid(pod).is_none() {
                let written = self.written(pod, counters);
                self.walk(pod, written);
            }
        }
    }

    /// Fills in the disk usage of every pod; `usages` are in the order of the index.
    pub fn fill<'u>(
        &mut self,
        index: &PodIndex,
        counters: Option<&Counters>,
        usages: impl Iterator<Item = &'u mut PodUsage>,
    ) {
        // Read once, before any walk: nothing that is written meanwhile is missed by both.
        let mut written = std::mem::take(&mut self.snapshot);
        written.clear();
        written.extend(index.iter().map(|pod| self.written(pod, counters)));
        self.refresh_writers(index, &written, counters.is_some());
        for ((pod, now), usage) in index.iter().zip(&written).zip(usages) {
            let walked = self.walked.get(&pod.facts().id.uid).copied();
            let at = walked.map(|walked| walked.at).unwrap_or_default();
            let since = now.since(at);
            usage.logs = grown(walked.and_then(|w| w.logs), since.logs);
            usage.local_volumes = grown(walked.and_then(|w| w.volumes), since.volumes);
        }
        self.snapshot = written;
    }

    /// Walks those that wrote, most first, as far as time allows. Without counters anybody may have
    /// written.
    fn refresh_writers(&mut self, index: &PodIndex, written: &[Written], counted: bool) {
        let begin = Instant::now();
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        for (number, (pod, now)) in index.iter().zip(written).enumerate() {
            let walked = self.valid(pod).filter(|_| counted);
            let bytes = walked.map_or(u64::MAX, |walked| now.since(walked.at).total());
            if bytes > 0 {
                order.push((bytes, number));
            }
        }
        order.sort_unstable_by(|a, b| b.cmp(a));
        for (_, number) in &order {
            if begin.elapsed() > self.time {
                break;
            }
            if let (Some(pod), Some(now)) = (index.get(*number), written.get(*number)) {
                self.walk(pod, *now);
            }
        }
        self.order = order;
    }

    /// The pod's last walk, if what has been written since can be told.
    fn valid(&self, pod: &Pod) -> Option<&Walked> {
        self.walked.get(&pod.facts().id.uid).filter(|walked| walked.counted == counted(pod))
    }

    fn written(&self, pod: &Pod, counters: Option<&Counters>) -> Written {
        counters.map(|counters| Written::by(pod, counters, self.dev)).unwrap_or_default()
    }

    /// `at` was read before: what is written meanwhile counts twice rather than never.
    fn walk(&mut self, pod: &Pod, at: Written) {
        let logs = self.walk.measure_contents(pod.logs_root());
        let volumes = self.walk.measure(pod.empty_dirs().iter().map(AsRef::as_ref));
        let walked = Walked { logs, volumes, at, counted: counted(pod) };
        self.walked.insert(pod.facts().id.uid.clone(), walked);
    }
}

/// What was walked plus what was written since. A tree too large to walk is known from below once
/// something was written to it; without that it is unknown.
fn grown(walked: Option<DiskUsage>, written: u64) -> Option<DiskUsage> {
    match walked {
        Some(usage) => Some(DiskUsage { bytes: usage.bytes.saturating_add(written), ..usage }),
        None => (written > 0).then_some(DiskUsage { bytes: written, inodes: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_adds_to_what_was_walked() {
        let walked = Some(DiskUsage { bytes: 100, inodes: 3 });
        let cases = [
            ("walked, quiet", walked, 0, walked),
            ("walked, written", walked, 50, Some(DiskUsage { bytes: 150, inodes: 3 })),
            ("unknown, quiet", None, 0, None),
            ("unknown, written", None, 50, Some(DiskUsage { bytes: 50, inodes: 0 })),
            ("no overflow", walked, u64::MAX, Some(DiskUsage { bytes: u64::MAX, inodes: 3 })),
        ];
        for (name, walked, written, expected) in cases {
            assert_eq!(grown(walked, written), expected, "{name}");
        }
    }
}
