//! What the daemon leaves for those who ask, and its first and last words.

use evictd_core::MonoTime;
use tracing::{error, info};

use super::Daemon;
use crate::{
    clock::now,
    probe,
    run::{
        kernel::Kernel,
        pods_from::PodsFrom,
        record::{self, Record, Started, Stopped},
        tally::Tally,
    },
    sample::Filesystem,
    state::{NodeState, PodView, Publication, UsageBy},
};

impl Daemon {
    /// Leaves what it knows for those who asked lately. After the evaluation, which does not wait for it.
    pub(super) fn publish(&self) {
        let at = now();
        let Some(board) = self.board.as_ref().filter(|board| board.is_wanted(at)) else {
            return;
        };
        let Self { evaluator, observer, .. } = self;
        board.publish(Publication {
            at,
            node: NodeState::of(
                evaluator.policy(),
                evaluator.forecast(),
                &observer.observation().signals,
                Some(evaluator.conditions()),
            ),
            pods: PodView::all_with(observer.index(), |pod| {
                observer.disks().of(pod, self.kernel.as_ref().map(Kernel::disk_counters))
            }),
            mode: self.evictions.mode().to_string(),
        });
    }

    /// Reports who fills a disk if it is no pod.
    pub(super) fn look_for_fillers(&mut self) {
        let Self { observer, evaluator, fillers: Some(fillers), reporter, .. } = self else {
            return;
        };
        let (at, signals) = (now(), &observer.observation().signals);
        let seen = (observer.sampler(), observer.index());
        for filler in fillers.look(evaluator, signals, seen, at) {
            reporter.report(at, Record::DiskFiller(Box::new(filler)));
        }
    }

    pub(super) fn report_start(&mut self) {
        let at = now();
        self.pods_known = self.pods_known_now();
        let started = Started {
            version: env!("CARGO_PKG_VERSION"),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            mode: self.evictions.mode(),
            cgroup: self.cgroup,
            pods: self.observer.index().len(),
            pods_from: PodsFrom::of(self.observer.index()),
            rungs: self.kernel.as_ref().map(Kernel::rungs).unwrap_or_default(),
            nodefs: self.filesystem(self.observer.sampler().nodefs(), at),
            logfs: self.observer.sampler().logfs().map(|logfs| self.filesystem(logfs, at)),
            map_bytes: self.map_bytes(),
            map_pods: self.map_sizes.pods,
            map_cpus: self.map_sizes.cpus,
        };
        info!("watching {} pods in {} mode", started.pods, started.mode);
        self.reporter.report(at, Record::Started(Box::new(started)));
    }

    fn filesystem(&self, filesystem: &Filesystem, at: MonoTime) -> record::Filesystem {
        let bytes = filesystem.sample(at).map(|sample| sample.bytes);
        let counts = |kernel: &Kernel| kernel.counts_blocks_of(filesystem);
        let by_space = self.kernel.as_ref().is_some_and(counts);
        record::Filesystem {
            path: filesystem.path().display().to_string(),
            available: bytes.map(|bytes| bytes.available),
            capacity: bytes.map(|bytes| bytes.capacity),
            usage_by: if by_space { UsageBy::Space } else { UsageBy::Written },
        }
    }

    fn map_bytes(&self) -> Option<u64> {
        self.kernel.as_ref().and_then(|_| probe::map_bytes())
    }

    pub(super) fn report_stop(&mut self, tally: &Tally) {
        let stopped = Stopped {
            programs: self.kernel.as_ref().map(Kernel::costs).unwrap_or_default(),
            drops: self.kernel.as_ref().map(Kernel::drops).unwrap_or_default(),
            records_dropped: self.reporter.dropped(),
            map_bytes: self.map_bytes(),
            evictions: self.evictions.count(),
            wakes: tally.wakes().clone(),
            disk_walks: self.observer.disks().walks(),
            decision_ns: tally.decisions(),
            known_ns: tally.known(),
        };
        for (probe, drops) in stopped.drops.iter().filter(|(_, drops)| **drops > 0) {
            error!("probe {probe}: {drops} records or keys were dropped");
        }
        info!("stopping after {} evictions; probes detach", stopped.evictions);
        self.reporter.report(now(), Record::Stopped(Box::new(stopped)));
    }
}
