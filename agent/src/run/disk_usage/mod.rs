//! Per-pod disk usage without `du` on the way to a decision: one walk of each pod's directories by a thread
//! of its own, then the kernel's counters. Where blocks are counted the walk names the owner of every file
//! it finds, and usage is what was walked plus blocks taken less blocks given back: exact, and never walked
//! again. Elsewhere it is what was walked plus what was written, and pods that wrote are walked again.

mod accounts;
mod counted;
mod deleted;
mod inodes;
mod naming;
mod told;
mod walked;
mod walker;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use evictd_core::{DiskUsage, PodStats, PodUsage};

use crate::{
    pods::{Pod, PodIndex},
    probe::{Counters, FileOwners},
    sample::{DiskLimits, DiskWalk},
};
use accounts::PodAccounts;
use counted::{ByPart, Seen, Tally, counts_space};
pub use counted::{DiskCounters, log_directory};
pub use told::DiskWalks;
use walked::{Circumstances, Parts, Place, Subject, Walked};
use walker::{Job, Walker};

/// One pod's walk on the way to a decision. Larger trees are as they were walked last.
const POD_WALK: DiskLimits = DiskLimits { entries: 20_000, time: Duration::from_millis(5) };

/// All walks on the way to one decision, so long as the pods' figures can be told without.
const WALKS: Duration = Duration::from_millis(10);

/// The same while there are pods of which nothing is known since a container of theirs came or went: a
/// decision that is late is better than one that takes the wrong pod.
const UNKNOWN_WALKS: Duration = Duration::from_millis(100);

/// One pod's walk, and all walks, where somebody waits for the answer and nothing else does.
const PATIENT_POD_WALK: DiskLimits =
    DiskLimits { entries: 10_000_000, time: Duration::from_secs(30) };
const PATIENT_WALKS: Duration = Duration::from_secs(120);

/// A pod whose files could not all be named is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Of the files that the kernel has room for, so many may be one pod's, and so many all pods'.
const POD_SHARE: usize = 8;
const fn all_share(capacity: usize) -> usize {
    capacity / 4 * 3
}

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
    /// Files that the kernel has room for.
    capacity: usize,
    accounts: BTreeMap<Arc<str>, PodAccounts>,
    /// Pods whose walk has been asked for.
    asked: BTreeSet<Arc<str>>,
    walked: BTreeMap<Arc<str>, Walked>,
    walks: DiskWalks,
    /// Reused between decisions: (bytes since the walk, number of the pod).
    order: Vec<(u64, usize)>,
    /// Reused likewise: what was counted of each pod of the index.
    snapshot: Vec<ByPart<Tally>>,
}

impl DiskUsages {
    /// Usage by pods of which volumes lie on the filesystem with that kernel `dev_t`. `table`: where files
    /// are named, if blocks are counted.
    pub fn new(dev: u32, logs_apart: bool, table: Option<FileOwners>) -> Self {
        Self::within(dev, logs_apart, table, POD_WALK, WALKS)
    }

    /// The same for one look that may take its time.
    pub fn patient(dev: u32, logs_apart: bool) -> Self {
        Self::within(dev, logs_apart, None, PATIENT_POD_WALK, PATIENT_WALKS)
    }

    fn within(
        dev: u32,
        logs_apart: bool,
        table: Option<FileOwners>,
        pod: DiskLimits,
        time: Duration,
    ) -> Self {
        Self {
            dev,
            logs_apart,
            time,
            walk: DiskWalk::new(pod),
            parts: Parts::default(),
            capacity: table.as_ref().map_or(0, FileOwners::capacity),
            walker: Walker::start(table),
            accounts: BTreeMap::new(),
            asked: BTreeSet::new(),
            walked: BTreeMap::new(),
            walks: DiskWalks::default(),
            order: Vec::new(),
            snapshot: Vec::new(),
        }
    }

    /// Takes in which cgroups and log directories are whose now; drops the accounts of pods that are gone.
    pub fn follow(&mut self, index: &PodIndex, counters: &mut Counters) {
        for pod in index.iter() {
            let accounts = self.accounts.entry(pod.facts().id.uid.clone()).or_default();
            accounts.follow(pod, self.dev, counters);
        }
        self.accounts.retain(|uid, gone| {
            let stays = index.by_uid(uid).is_some();
            if !stays {
                gone.owners.cgroups().iter().for_each(|owner| counters.forget_space(*owner));
            }
            stays
        });
    }

    /// Whether the account of that cgroup is still wanted, though the cgroup is gone.
    pub fn keeps_account(&self, cgroup_id: u64) -> bool {
        self.accounts.values().any(|accounts| accounts.owners.has_cgroup(cgroup_id))
    }

    /// Takes in the walks that are done, and has pods walked that have not been since they last changed,
    /// whose account is in doubt, or that may be near a limit of their own. Called at start and on ticks,
    /// not on the way to a decision.
    pub fn prepare(&mut self, index: &PodIndex, counters: Option<DiskCounters<'_>>) {
        self.take_in(index);
        for pod in index.iter() {
            let uid = &pod.facts().id.uid;
            if self.asked.contains(uid) || !self.is_due(pod, counters) {
                continue;
            }
            let Some(job) = self.job(pod, counters) else {
                continue;
            };
            if !self.walker.ask(job) {
                return;
            }
            self.asked.insert(uid.clone());
        }
    }

    fn take_in(&mut self, index: &PodIndex) {
        while let Some(done) = self.walker.take() {
            self.asked.remove(&done.uid);
            self.walks.background += 1;
            let accounts = self.accounts.get_mut(&done.uid);
            // A cgroup that came meanwhile would count twice.
            let is_same = accounts.as_ref().is_none_or(|now| now.owners == done.owners);
            // A walk on the way to a decision may have come later.
            let newer = |last: &Walked| {
                let walked = &done.walked;
                last.begun > walked.begun && last.seen == walked.seen && !walked.is_exact()
            };
            if !is_same || self.walked.get(&done.uid).is_some_and(newer) {
                continue;
            }
            if let Some(accounts) = accounts {
                accounts.is_unsure = false;
            }
            let mut walked = done.walked;
            walked.walks = self.walked.get(&done.uid).map_or(0, |last| last.walks) + 1;
            self.walked.insert(done.uid, walked);
        }
        self.walked.retain(|uid, _| index.by_uid(uid).is_some());
        self.asked.retain(|uid| index.by_uid(uid).is_some());
    }

    fn is_due(&self, pod: &Pod, counters: Option<DiskCounters<'_>>) -> bool {
        let uid = &pod.facts().id.uid;
        let at = Instant::now();
        let Some(walked) = self.valid(pod) else {
            return true;
        };
        if self.accounts.get(uid).is_some_and(|accounts| accounts.is_unsure) {
            return true;
        }
        let Some(counters) = counters else {
            return walked.is_due(ByPart::default(), false, at);
        };
        let counted = counts_space(pod, counters, self.dev);
        if walked.exact != counted {
            let again = at.saturating_duration_since(walked.begun) >= TRY_AGAIN;
            if walked.unnamed.is_none() && walked.is_whole() || again {
                return true;
            }
        }
        let strays = self.strays(pod, counters).saturating_sub(walked.strays);
        if !walked.limits_storage() && strays == 0 && walked.slack == 0 {
            return false;
        }
        let now = self.tally(pod, walked.exact, counters);
        walked.is_due(now, counters.writes, at)
            || (walked.is_exact() && walked.is_doubtful(now, strays, at))
    }

    /// `None` while its accounts are not known: cgroups are taken in before.
    fn job(&self, pod: &Pod, counters: Option<DiskCounters<'_>>) -> Option<Job> {
        let uid = &pod.facts().id.uid;
        let owners = self.accounts.get(uid).map(|accounts| accounts.owners.clone());
        let counted = counters.filter(|_| owners.is_some());
        let named: usize = self.walked.values().map(|walked| walked.files).sum();
        let own = self.walked.get(uid).map_or(0, |walked| walked.files);
        let free = all_share(self.capacity).saturating_sub(named - own);
        let cgroup = pod.cgroup().and_then(|cgroup| cgroup.dirs().identity());
        Some(Job {
            uid: uid.clone(),
            spec: pod.record().spec.clone(),
            logs_root: pod.logs_root().to_owned(),
            log_dirs: pod.logs().to_vec(),
            empty_dirs: pod.empty_dirs().to_vec(),
            cgroup: cgroup.and_then(|dir| Some((dir.try_clone().ok()?, self.dev))),
            at: self.written(pod, counters),
            strays: counters.map_or(0, |counters| self.strays(pod, counters)),
            seen: Seen::of(pod),
            counted: counted.map(|c| counts_space(pod, c, self.dev)).unwrap_or_default(),
            owners: owners.unwrap_or_default(),
            room: free.min(self.capacity / POD_SHARE),
        })
    }

    /// The statistics of a pod that limits its local storage, as walked last.
    pub fn limited(&self, pod: &Pod) -> Option<&Arc<PodStats>> {
        self.valid(pod)?.stats()
    }

    /// Fills in the disk usage of every pod; `usages` are in the order of the index.
    pub fn fill<'u>(
        &mut self,
        index: &PodIndex,
        counters: Option<DiskCounters<'_>>,
        usages: impl Iterator<Item = &'u mut PodUsage>,
    ) {
        // Read once, before any walk: nothing that is written meanwhile is missed by both.
        let mut snapshot = std::mem::take(&mut self.snapshot);
        snapshot.clear();
        snapshot.extend(index.iter().map(|pod| self.now(pod, counters)));
        self.refresh_writers(index, counters, &mut snapshot);
        for ((pod, now), usage) in index.iter().zip(&snapshot).zip(usages) {
            let ByPart { logs, volumes } = self.usage(pod, *now);
            if self.logs_apart {
                usage.separate_logs = logs;
            } else {
                usage.logs = logs;
            }
            usage.local_volumes = volumes;
        }
        self.snapshot = snapshot;
    }

    fn usage(&self, pod: &Pod, now: ByPart<Tally>) -> ByPart<Option<DiskUsage>> {
        let walked = self.walked.get(&pod.facts().id.uid);
        let at = walked.map(|walked| walked.at).unwrap_or_default();
        let exact = walked.map(|walked| walked.exact).unwrap_or_default();
        let inodes = walked.map(|walked| walked.inodes).unwrap_or_default();
        let logs = change(at.logs, now.logs, exact.logs);
        let volumes = change(at.volumes, now.volumes, exact.volumes);
        ByPart {
            logs: holding(changed(walked.and_then(|walked| walked.logs), logs), inodes.logs),
            volumes: holding(
                changed(walked.and_then(|walked| walked.volumes), volumes),
                inodes.volumes,
            ),
        }
    }

    /// Walks those that wrote where blocks are not counted, most first, as far as time allows. Without
    /// counters anybody may have written. From a walk on it is bytes written that tell.
    fn refresh_writers(
        &mut self,
        index: &PodIndex,
        counters: Option<DiskCounters<'_>>,
        snapshot: &mut [ByPart<Tally>],
    ) {
        /// Bytes of those who are looked at first.
        const UNKNOWN: u64 = u64::MAX;
        const MANY: u64 = UNKNOWN - 1;
        let begin = Instant::now();
        let counted = counters.is_some_and(|counters| counters.writes);
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        for (number, (pod, now)) in index.iter().zip(snapshot.iter()).enumerate() {
            let bytes = match self.valid(pod) {
                Some(walked) if walked.is_exact() => 0,
                Some(walked) if counted => now.written_since(walked.at),
                Some(_) => MANY,
                None => UNKNOWN,
            };
            if bytes > 0 {
                order.push((bytes, number));
            }
        }
        order.sort_unstable_by(|a, b| b.cmp(a));
        for (bytes, number) in &order {
            let time = if *bytes == UNKNOWN { self.time.max(UNKNOWN_WALKS) } else { self.time };
            if begin.elapsed() > time {
                break;
            }
            if let (Some(pod), Some(now)) = (index.get(*number), snapshot.get_mut(*number)) {
                let at = self.written(pod, counters);
                if self.walk(pod, at) {
                    *now = at;
                }
            }
        }
        self.order = order;
    }

    /// The pod's last walk, if what has happened since can be told.
    fn valid(&self, pod: &Pod) -> Option<&Walked> {
        let walked = self.walked.get(&pod.facts().id.uid)?;
        walked.seen.holds(Seen::of(pod), walked.is_exact()).then_some(walked)
    }

    /// What is counted of a pod now, by what its last walk allows to go by.
    fn now(&self, pod: &Pod, counters: Option<DiskCounters<'_>>) -> ByPart<Tally> {
        let exact = self.walked.get(&pod.facts().id.uid).map(|walked| walked.exact);
        let tally = |counters| self.tally(pod, exact.unwrap_or_default(), counters);
        counters.map(tally).unwrap_or_default()
    }

    fn tally(&self, pod: &Pod, exact: ByPart<bool>, counters: DiskCounters<'_>) -> ByPart<Tally> {
        match self.accounts.get(&pod.facts().id.uid) {
            Some(accounts) => ByPart::read(pod, &accounts.owners, exact, counters, self.dev),
            None => ByPart::written(pod, counters, self.dev),
        }
    }

    fn written(&self, pod: &Pod, counters: Option<DiskCounters<'_>>) -> ByPart<Tally> {
        counters.map(|counters| ByPart::written(pod, counters, self.dev)).unwrap_or_default()
    }

    /// Bytes freed, by anybody, of files without a known owner where the pod's logs are.
    fn strays(&self, pod: &Pod, counters: DiskCounters<'_>) -> u64 {
        let dev = pod.logs().first().map_or(self.dev, |log| log_directory(log).dev);
        counters.counters.unowned_space(dev).map_or(0, |space| space.released)
    }

    /// `at`, the bytes written, was read before: what is written meanwhile counts twice rather than never.
    /// False if the pod is too large to be walked now and stays as it was walked last. One that never was
    /// is known as far as it was walked; of the rest, what was written tells.
    fn walk(&mut self, pod: &Pod, mut at: ByPart<Tally>) -> bool {
        let (log_dirs, empty_dirs) = (pod.logs(), pod.empty_dirs());
        let place = Place { logs_root: pod.logs_root(), log_dirs, empty_dirs, deleted: None };
        self.parts.measure(&mut self.walk, place, None);
        self.walks.deciding += 1;
        if !self.parts.is_whole(empty_dirs) && self.walked.contains_key(&pod.facts().id.uid) {
            return false;
        }
        if self.parts.logs.is_none() {
            at.logs = Tally::default();
        }
        if self.parts.volumes(empty_dirs).is_none() {
            at.volumes = Tally::default();
        }
        let subject = Subject { spec: &pod.record().spec, log_dirs, empty_dirs };
        let walked = self.walked.entry(pod.facts().id.uid.clone()).or_insert_with(Walked::never);
        let unnamed = walked.unnamed;
        let now = Circumstances { unnamed, ..Circumstances::inexact(at, Seen::of(pod)) };
        walked.renew(&self.parts, subject, now);
        true
    }
}

/// By how much a part changed since it was walked.
fn change(then: Tally, now: Tally, is_exact: bool) -> i64 {
    if is_exact {
        return now.space.net().wrapping_sub(then.space.net());
    }
    i64::try_from(now.written.saturating_sub(then.written)).unwrap_or(i64::MAX)
}

/// The same with as many inodes as were counted later, if they were.
fn holding(usage: Option<DiskUsage>, inodes: Option<u64>) -> Option<DiskUsage> {
    match inodes {
        Some(inodes) => Some(DiskUsage { inodes, ..usage.unwrap_or_default() }),
        None => usage,
    }
}

/// What was walked and what changed since. A tree too large to walk is known from below once something was
/// written to it; without that it is unknown.
fn changed(walked: Option<DiskUsage>, bytes: i64) -> Option<DiskUsage> {
    match walked {
        Some(usage) => Some(DiskUsage { bytes: usage.bytes.saturating_add_signed(bytes), ..usage }),
        None => {
            let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)?;
            Some(DiskUsage { bytes, inodes: 0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use evictd_common::Space;

    use super::*;

    #[test]
    fn changes_add_to_what_was_walked() {
        let walked = Some(DiskUsage { bytes: 100, inodes: 3 });
        let cases = [
            ("walked, quiet", walked, 0, walked),
            ("walked, written", walked, 50, Some(DiskUsage { bytes: 150, inodes: 3 })),
            ("walked, given back", walked, -60, Some(DiskUsage { bytes: 40, inodes: 3 })),
            ("never below nothing", walked, -200, Some(DiskUsage { bytes: 0, inodes: 3 })),
            ("unknown, quiet", None, 0, None),
            ("unknown, written", None, 50, Some(DiskUsage { bytes: 50, inodes: 0 })),
            ("unknown, given back", None, -50, None),
        ];
        for (name, walked, bytes, expected) in cases {
            assert_eq!(changed(walked, bytes), expected, "{name}");
        }
    }

    #[test]
    fn blocks_tell_where_they_are_counted_else_bytes_written() {
        let tally = |written, grown, released| Tally {
            written,
            space: Space { grown, released, stray: 0 },
        };
        let (then, now) = (tally(10, 100, 20), tally(500, 160, 90));
        assert_eq!(change(then, now, true), -10, "60 taken, 70 given back");
        assert_eq!(change(then, now, false), 490);
        assert_eq!(change(now, then, false), 0, "counters that began anew");
    }
}
