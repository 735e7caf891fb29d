//! A thread that walks directories, so that a large tree makes no decision wait.

use std::{
    ffi::CString,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use evictd_common::Space;
use evictd_core::PodSpec;

use super::{
    accounts::Owners,
    counted::{ByPart, Seen, Tally},
    naming::Naming,
    walked::{Circumstances, Parts, Place, Subject, Walked},
};
use crate::{
    pods::{EmptyDir, LogDir},
    probe::FileOwners,
    sample::{DiskLimits, DiskWalk},
};

/// One pod's walk. Larger trees stay unknown.
const POD_WALK: DiskLimits = DiskLimits { entries: 2_000_000, time: Duration::from_secs(20) };

/// Pods that may wait for their walk; more are asked for at the next tick.
const QUEUE: usize = 512;

/// A pod whose files change while they are walked is walked so often at most; the calmest walk counts.
const TRIES: usize = 4;
/// Changes of up to this share of the usage are let be.
const CALM: u64 = 256;

/// A pod to be walked.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) uid: Arc<str>,
    pub(super) spec: Arc<PodSpec>,
    pub(super) logs_root: CString,
    pub(super) log_dirs: Vec<LogDir>,
    pub(super) empty_dirs: Vec<EmptyDir>,
    /// Its cgroup and the kernel's number of nodefs.
    pub(super) cgroup: Option<(OwnedFd, u32)>,
    /// Bytes written before: what is written meanwhile counts twice rather than never.
    pub(super) at: ByPart<Tally>,
    /// Bytes freed of files without a known owner, before.
    pub(super) strays: u64,
    pub(super) seen: Seen,
    /// Where blocks are counted.
    pub(super) counted: ByPart<bool>,
    pub(super) owners: Owners,
    /// Files that may be named.
    pub(super) room: usize,
}

/// A walk that is done, and by whose accounts.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) uid: Arc<str>,
    pub(super) walked: Walked,
    pub(super) owners: Owners,
}

impl Job {
    fn place(&self) -> Place<'_> {
        Place {
            logs_root: &self.logs_root,
            log_dirs: &self.log_dirs,
            empty_dirs: &self.empty_dirs,
            deleted: self.cgroup.as_ref().map(|(cgroup, dev)| (cgroup, *dev)),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { spec: &self.spec, log_dirs: &self.log_dirs, empty_dirs: &self.empty_dirs }
    }

    fn walk(
        &self,
        walk: &mut DiskWalk,
        parts: &mut Parts,
        table: Option<&mut FileOwners>,
    ) -> Walked {
        let named = table.filter(|_| self.counted.logs || self.counted.volumes);
        if let Some(table) = named {
            return self.walk_naming(walk, parts, table);
        }
        let begun = Instant::now();
        parts.measure(walk, self.place(), None);
        let now = Circumstances { begun, ..Circumstances::inexact(self.at, self.seen) };
        Walked::new(parts, self.subject(), now)
    }

    /// Walks until as good as nothing changed meanwhile: the sum is then what the files held at one moment,
    /// and the accounts go on from there.
    fn walk_naming(
        &self,
        walk: &mut DiskWalk,
        parts: &mut Parts,
        table: &mut FileOwners,
    ) -> Walked {
        let mut best: Option<Walked> = None;
        for _ in 0..TRIES {
            let begun = Instant::now();
            let before = self.accounts(table);
            let mut naming = Naming::new(table, &self.owners, self.room);
            parts.measure(walk, self.place(), Some(&mut naming));
            let (files, failed) = (naming.files, naming.failed);
            let after = self.accounts(table);
            let is_named = failed.is_none() && parts.is_whole(&self.empty_dirs);
            let exact = ByPart {
                logs: is_named && self.counted.logs,
                volumes: is_named && self.counted.volumes,
            };
            let now = Circumstances {
                at: self.between(before, after),
                seen: self.seen,
                exact,
                unnamed: failed,
                files: if is_named { files } else { 0 },
                slack: after.changed_since(before),
                strays: self.strays,
                begun,
            };
            let walked = Walked::new(parts, self.subject(), now);
            let calm = walked.used() / CALM;
            let is_calm = walked.slack <= calm || !is_named;
            if best.as_ref().is_none_or(|best| !is_named || walked.slack < best.slack) {
                best = Some(walked);
            }
            if is_calm {
                break;
            }
        }
        best.unwrap_or_else(Walked::never)
    }

    fn accounts(&self, table: &FileOwners) -> ByPart<Tally> {
        let read = |owner: &_| table.space_of(*owner).unwrap_or_default();
        let mut now = self.at;
        now.logs.space = self.owners.sum_logs(read);
        now.volumes.space = self.owners.sum_volumes(read);
        now
    }

    /// Half of what changed during the walk is taken to be in its sum.
    fn between(&self, before: ByPart<Tally>, after: ByPart<Tally>) -> ByPart<Tally> {
        let half = |before: u64, after: u64| before.wrapping_add(after.wrapping_sub(before) / 2);
        let middle = |before: Space, after: Space| Space {
            grown: half(before.grown, after.grown),
            released: half(before.released, after.released),
            stray: before.stray,
        };
        let mut at = self.at;
        at.logs.space = middle(before.logs.space, after.logs.space);
        at.volumes.space = middle(before.volumes.space, after.volumes.space);
        at
    }
}

/// The thread; it ends with the value.
#[derive(Debug)]
pub(super) struct Walker {
    jobs: SyncSender<Job>,
    done: Receiver<Done>,
}

impl Walker {
    /// `table`: where files are named, if blocks are counted anywhere.
    pub(super) fn start(mut table: Option<FileOwners>) -> Self {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let (results, done) = channel();
        thread::spawn(move || {
            let mut walk = DiskWalk::new(POD_WALK);
            let mut parts = Parts::default();
            for job in queue {
                let walked = job.walk(&mut walk, &mut parts, table.as_mut());
                if results.send(Done { uid: job.uid, walked, owners: job.owners }).is_err() {
                    return;
                }
            }
        });
        Self { jobs, done }
    }

    /// Hands a job over; false if there are too many already.
    pub(super) fn ask(&self, job: Job) -> bool {
        match self.jobs.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// A walk that is done, if there is one.
    pub(super) fn take(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}
