//! Per-pod disk usage without `du` on the way to a decision: one walk of each pod's directories by a
//! thread of its own, then the kernel's counters; walked again only for the pods that have written
//! since. Limits of local storage go by walks alone: counters count what is overwritten and deleted.

mod walked;
mod walker;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use evictd_core::{DiskUsage, PodStats, PodUsage};

use crate::{
    pods::{Pod, PodIndex},
    probe::Counters,
    sample::{DiskLimits, DiskWalk},
};
use walked::{Parts, Subject, Walked};
use walker::{Job, Walker};
pub use written::log_directory;
use written::{Written, counted};

/// One pod's walk on the way to a decision. Larger trees are as they were walked last.
const POD_WALK: DiskLimits = DiskLimits { entries: 20_000, time: Duration::from_millis(5) };

/// All walks on the way to one decision.
const WALKS: Duration = Duration::from_millis(10);

/// One pod's walk, and all walks, where somebody waits for the answer and nothing else does.
const PATIENT_POD_WALK: DiskLimits =
    DiskLimits { entries: 10_000_000, time: Duration::from_secs(30) };
const PATIENT_WALKS: Duration = Duration::from_secs(120);

/// Disk usage of every pod.
pub struct DiskUsages {
    dev: u32,
    /// Logs lie on a filesystem of their own (E-46).
    logs_apart: bool,
    /// How long walks on the way to a decision may take in all.
    time: Duration,
    walk: DiskWalk,
    /// Reused between walks.
    parts: Parts,
    walker: Walker,
    /// Pods whose walk has been asked for.
    asked: BTreeSet<Arc<str>>,
    walked: BTreeMap<Arc<str>, Walked>,
    /// Reused between decisions: (bytes since the walk, number of the pod).
    order: Vec<(u64, usize)>,
    /// Reused likewise: what each pod of the index has written.
    snapshot: Vec<Written>,
}

impl DiskUsages {
    /// Usage by pods of which volumes lie on the filesystem with that kernel `dev_t`.
    pub fn new(dev: u32, logs_apart: bool) -> Self {
        Self::within(dev, logs_apart, POD_WALK, WALKS)
    }

    /// The same for one look that may take its time.
    pub fn patient(dev: u32, logs_apart: bool) -> Self {
        Self::within(dev, logs_apart, PATIENT_POD_WALK, PATIENT_WALKS)
    }

    fn within(dev: u32, logs_apart: bool, pod: DiskLimits, time: Duration) -> Self {
        Self {
            dev,
            logs_apart,
            time,
            walk: DiskWalk::new(pod),
            parts: Parts::default(),
            walker: Walker::start(),
            asked: BTreeSet::new(),
            walked: BTreeMap::new(),
            order: Vec::new(),
            snapshot: Vec::new(),
        }
    }

    /// Takes in the walks that are done, and has pods walked that have not been since they last changed
    /// or that may be near a limit of their own. Called at start and on ticks, not on the way to a
    /// decision.
    pub fn prepare(&mut self, index: &PodIndex, counters: Option<&Counters>) {
        while let Some((uid, walked)) = self.walker.take() {
            self.asked.remove(&uid);
            // A walk on the way to a decision may have come later.
            let newer = |last: &Walked| last.begun > walked.begun && last.counted == walked.counted;
            if !self.walked.get(&uid).is_some_and(newer) {
                self.walked.insert(uid, walked);
            }
        }
        self.walked.retain(|uid, _| index.by_uid(uid).is_some());
        self.asked.retain(|uid| index.by_uid(uid).is_some());
        let now = Instant::now();
        for pod in index.iter() {
            let uid = &pod.facts().id.uid;
            if self.asked.contains(uid) {
                continue;
            }
            let at = self.written(pod, counters);
            let since = |walked: &Walked| counters.map(|_| at.since(walked.at).total());
            let due = self.valid(pod).is_none_or(|walked| walked.is_due(since(walked), now));
            if due && !self.walker.ask(job(pod, at)) {
                return;
            }
            if due {
                self.asked.insert(uid.clone());
            }
        }
    }

    /// The statistics of a pod that limits its local storage, as walked last.
    pub fn limited(&self, pod: &Pod) -> Option<&Arc<PodStats>> {
        self.valid(pod)?.stats()
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
            let walked = self.walked.get(&pod.facts().id.uid);
            let at = walked.map(|walked| walked.at).unwrap_or_default();
            let since = now.since(at);
            let logs = grown(walked.and_then(|w| w.logs), since.logs);
            if self.logs_apart {
                usage.separate_logs = logs;
            } else {
                usage.logs = logs;
            }
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

    /// `at` was read before: what is written meanwhile counts twice rather than never. A part that is
    /// too large to be walked now stays as it was walked last.
    fn walk(&mut self, pod: &Pod, at: Written) {
        let (log_dirs, empty_dirs) = (pod.logs(), pod.empty_dirs());
        self.parts.measure(&mut self.walk, pod.logs_root(), log_dirs, empty_dirs);
        let is_whole = self.parts.logs.is_some() && self.parts.volumes(empty_dirs).is_some();
        if !is_whole && self.valid(pod).is_some() {
            return;
        }
        let subject = Subject { spec: &pod.record().spec, log_dirs, empty_dirs };
        let walked = self.walked.entry(pod.facts().id.uid.clone()).or_insert_with(Walked::never);
        walked.renew(&self.parts, subject, at, counted(pod));
    }
}

fn job(pod: &Pod, at: Written) -> Job {
    Job {
        uid: pod.facts().id.uid.clone(),
        spec: pod.record().spec.clone(),
        logs_root: pod.logs_root().to_owned(),
        log_dirs: pod.logs().to_vec(),
        empty_dirs: pod.empty_dirs().to_vec(),
        at,
        counted: counted(pod),
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
