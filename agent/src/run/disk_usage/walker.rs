//! A thread that walks directories, so that a large tree makes no decision wait.

use std::{
    ffi::CString,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use evictd_core::PodSpec;

use super::{
    walked::{Parts, Subject, Walked},
    written::Written,
};
use crate::{
    pods::{EmptyDir, LogDir},
    sample::{DiskLimits, DiskWalk},
};

/// One pod's walk. Larger trees stay unknown.
const POD_WALK: DiskLimits = DiskLimits { entries: 2_000_000, time: Duration::from_secs(20) };

/// Pods that may wait for their walk; more are asked for at the next tick.
const QUEUE: usize = 512;

/// A pod to be walked.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) uid: Arc<str>,
    pub(super) spec: Arc<PodSpec>,
    pub(super) logs_root: CString,
    pub(super) log_dirs: Vec<LogDir>,
    pub(super) empty_dirs: Vec<EmptyDir>,
    /// Read before: what is written meanwhile counts twice rather than never.
    pub(super) at: Written,
    pub(super) counted: u64,
}

impl Job {
    fn walk(&self, walk: &mut DiskWalk, parts: &mut Parts) -> Walked {
        let begun = Instant::now();
        parts.measure(walk, &self.logs_root, &self.log_dirs, &self.empty_dirs);
        let subject =
            Subject { spec: &self.spec, log_dirs: &self.log_dirs, empty_dirs: &self.empty_dirs };
        Walked::new(parts, subject, self.at, self.counted, begun)
    }
}

/// The thread; it ends with the value.
#[derive(Debug)]
pub(super) struct Walker {
    jobs: SyncSender<Job>,
    done: Receiver<(Arc<str>, Walked)>,
}

impl Walker {
    pub(super) fn start() -> Self {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let (results, done) = channel();
        thread::spawn(move || {
            let mut walk = DiskWalk::new(POD_WALK);
            let mut parts = Parts::default();
            for job in queue {
                let walked = job.walk(&mut walk, &mut parts);
                if results.send((job.uid, walked)).is_err() {
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
    pub(super) fn take(&self) -> Option<(Arc<str>, Walked)> {
        self.done.try_recv().ok()
    }
}
