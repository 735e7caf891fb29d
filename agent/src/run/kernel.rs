//! The loaded probes, as the control loop uses them.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use aya::{Ebpf, sys::Stats};
use aya_log::EbpfLogger;
use evictd_common::{Probe, Record, SpaceOwner};
use evictd_core::{MonoTime, NodeSignals, Policy};
use tokio::io::{Interest, unix::AsyncFd};
use tracing::warn;

use super::{
    disk_usage::DiskCounters,
    record::{ProgramCost, RungInUse},
    watch::{Watch, kernel_dev_of},
};
use crate::{
    clock::now,
    pods::PodIndex,
    probe::{
        CgroupFiles, CounterReader, Counters, Family, FileOwners, FsKind, LoadError, LoadOptions,
        Ring, Shortage, Standing, Tripwires, load, serves,
    },
    sample::{CgroupMounts, Filesystem, NodeSampler},
    state::dead,
};

type ProgramLog = AsyncFd<EbpfLogger<&'static dyn log::Log>>;

/// How often dead cgroups are looked for where the kernel does not tell of them.
const SWEEP: Duration = Duration::from_secs(10);

/// The probes and their maps. Dropping it detaches every program.
pub struct Kernel {
    ebpf: Ebpf,
    ring: Ring,
    /// The ring is left unread until then.
    ring_from: MonoTime,
    counters: Counters,
    reader: Option<CounterReader>,
    space_reader: Option<CounterReader>,
    file_owners: Option<FileOwners>,
    /// Kernel numbers of the filesystems on which blocks are counted.
    space: Vec<u32>,
    tripwires: Tripwires,
    watch: Watch,
    standings: Vec<Standing>,
    /// What families stand on that have no program; `None` if none does.
    files: Option<CgroupFiles>,
    log: Option<ProgramLog>,
    /// Where the hierarchy is mounted by whose ids is counted.
    cgroups: PathBuf,
    /// Records of cgroups that were lost by the last sweep.
    lost_lives: u64,
    swept: MonoTime,
    /// The kernel measures run times while this is open.
    _stats: Option<OwnedFd>,
}

impl Kernel {
    /// Loads the probes and points them at what the sampler samples. Where files take the place of
    /// programs, no more than `most_files` are watched.
    pub fn open(
        options: LoadOptions<'_>,
        stats: bool,
        sampler: &NodeSampler,
        mounts: &CgroupMounts,
        most_files: usize,
    ) -> Result<Self, LoadError> {
        let log = options.log;
        let stats = stats.then(|| aya::sys::enable_stats(Stats::RunTime)).and_then(|fd| {
            fd.map_err(|error| warn!("the kernel does not measure the probes: {error}")).ok()
        });
        let (mut ebpf, standings) = load(options)?;
        let reader = CounterReader::open(&ebpf)
            .map_err(|error| warn!("nobody else can read the counters: {error}"))
            .ok();
        let space_reader = CounterReader::open(&ebpf).ok();
        let file_owners = FileOwners::open(&ebpf)
            .map_err(|error| warn!("disk usage goes by bytes written: {error}"))
            .ok();
        let space =
            if file_owners.is_some() { counted_by_block(sampler, &standings) } else { vec![] };
        let mut counters = Counters::take(&mut ebpf)?;
        let watch = Watch::new(sampler, &mut counters);
        let files = CgroupFiles::open(&standings, most_files)
            .inspect_err(|error| warn!("cgroup files are not watched: {error}"))
            .ok();
        Ok(Self {
            ring: Ring::take(&mut ebpf)?,
            ring_from: MonoTime::default(),
            tripwires: Tripwires::take(&mut ebpf)?,
            log: if log { open_log(&mut ebpf) } else { None },
            counters,
            reader,
            space_reader,
            file_owners,
            space,
            watch,
            standings,
            files: files.flatten(),
            ebpf,
            cgroups: mounts.identity().unwrap_or(Path::new("/sys/fs/cgroup")).to_owned(),
            lost_lives: 0,
            swept: MonoTime::default(),
            _stats: stats,
        })
    }

    /// Leaves the ring unread until then.
    pub const fn stall_ring(&mut self, until: MonoTime) {
        self.ring_from = until;
    }

    /// The counters, for a thread that only reads, and how each family stands. Once.
    pub fn take_reader(&mut self) -> Option<(CounterReader, &[Standing])> {
        Some((self.reader.take()?, &self.standings))
    }

    /// The accounts of space, for a thread that only reads, if blocks are counted anywhere. Once.
    pub fn take_space_reader(&mut self) -> Option<CounterReader> {
        self.space_reader.take().filter(|_| !self.space.is_empty())
    }

    /// Where the owners of files are named, for the thread that walks, if blocks are counted anywhere. Once.
    pub fn take_file_owners(&mut self) -> Option<FileOwners> {
        self.file_owners.take().filter(|_| !self.space.is_empty())
    }

    /// What disk usage can be told by.
    pub fn disk_counters(&self) -> DiskCounters<'_> {
        let Self { counters, space, .. } = self;
        DiskCounters { counters, writes: self.write_counters().is_some(), space }
    }

    /// Whether what pods hold on a filesystem can be told by blocks.
    pub fn counts_blocks_of(&self, filesystem: &Filesystem) -> bool {
        self.space.contains(&kernel_dev_of(filesystem))
    }

    /// The counters, to drop keys of.
    pub const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// The counters of writes, if any rung counts them, logs included: a sum without its logs would
    /// blame the others.
    pub fn write_counters(&self) -> Option<&Counters> {
        self.standings.iter().any(Standing::counts_logs).then_some(&self.counters)
    }

    /// Whether a program counts for a family.
    pub fn counts(&self, family: Family) -> bool {
        self.standings.iter().any(|standing| standing.family == family && standing.is_counted())
    }

    /// Whether every cgroup that comes or goes is told.
    pub fn tells_cgroups(&self) -> bool {
        self.counts(Family::CgroupLife)
            || self.files.as_ref().is_some_and(CgroupFiles::hears_every_cgroup)
    }

    /// Families that ran out of files to watch since this was last asked.
    pub fn shortages(&mut self) -> Vec<Shortage> {
        self.files.as_mut().map(CgroupFiles::shortages).unwrap_or_default()
    }

    /// Waits for records. Cancel safe.
    pub async fn records(&mut self, mut take: impl FnMut(Record)) -> io::Result<()> {
        let mut found = Vec::new();
        let ended = tokio::select! {
            drained = drain(&mut self.ring, self.ring_from, &mut take) => drained,
            read = read_files(self.files.as_mut(), &mut found) => read,
            flushed = flush(self.log.as_mut()) => flushed,
        };
        found.into_iter().for_each(take);
        ended
    }

    /// To be called before the signals are sampled; see [`Watch::mark`].
    pub fn mark(&mut self) {
        self.watch.mark(&self.tripwires);
    }

    /// The counters of log directories and what was written into all of these by the last
    /// [`Self::mark`], if any rung counts writes.
    pub fn log_counters(&self) -> Option<(&Counters, i64)> {
        Some((self.write_counters()?, self.watch.written_into_logs()))
    }

    /// Arms the tripwires; that of the logs for `log_bytes`. True if one is used up already.
    pub fn arm(&mut self, policy: &Policy, signals: &NodeSignals, log_bytes: Option<u64>) -> bool {
        self.watch.arm(&mut self.tripwires, policy, signals, log_bytes)
    }

    /// Counts the log directories of these pods.
    pub fn follow(&mut self, index: &PodIndex) {
        self.watch.follow(index, &mut self.counters);
    }

    /// Watches the cgroups that there are now, where files take the place of programs.
    pub fn follow_files(&mut self, index: &PodIndex) {
        if let Some(files) = &mut self.files {
            files.follow(index);
        }
    }

    /// Drops the keys of cgroups that are gone: tasks at once, writes when they are final, and accounts of
    /// space but for those that are still wanted.
    pub fn forget(&mut self, cgroups: &[u64], keeps_account: impl Fn(u64) -> bool) {
        let devs: Vec<u32> = self.watch.devs().collect();
        for cgroup in cgroups {
            self.counters.depart(*cgroup);
            if !keeps_account(*cgroup) {
                devs.iter().for_each(|dev| {
                    self.counters.forget_space(SpaceOwner::cgroup(*cgroup, *dev));
                });
            }
        }
    }

    /// Drops what keys there still are of cgroups that are gone. Where the kernel does not tell of these,
    /// or could not, they are found by looking at every cgroup.
    pub fn drop_dead_keys(&mut self, now: MonoTime, keeps_account: impl Fn(u64) -> bool) {
        let lost = self.counters.drops(Probe::CgroupLife);
        let missed = lost > self.lost_lives
            || (!self.counts(Family::CgroupLife) && now >= self.swept.after(SWEEP));
        if missed {
            (self.lost_lives, self.swept) = (lost, now);
            let dead = dead(&self.counters.counted_cgroups(), &self.cgroups);
            self.forget(&dead, keeps_account);
        }
        self.counters.settle_departed();
    }

    /// Which rung serves each family.
    pub fn rungs(&self) -> BTreeMap<&'static str, RungInUse> {
        let rung = |standing: &Standing| RungInUse {
            rung: standing.rung,
            refused: standing.refused.clone(),
        };
        self.standings.iter().map(|standing| (standing.family.name(), rung(standing))).collect()
    }

    /// What each loaded program has cost.
    pub fn costs(&self) -> BTreeMap<String, ProgramCost> {
        let loaded = self.ebpf.programs().filter_map(|(name, program)| {
            let info = program.info().ok()?;
            let cost = ProgramCost {
                run_count: info.run_count(),
                run_time_ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
                verified_instructions: info.verified_instruction_count(),
            };
            Some((name.to_owned(), cost))
        });
        loaded.collect()
    }

    /// What could not be delivered.
    pub fn drops(&self) -> BTreeMap<&'static str, u64> {
        Probe::ALL.into_iter().map(|probe| (probe.name(), self.counters.drops(probe))).collect()
    }
}

/// Waits for records, and for the time from which the ring is read.
async fn drain(ring: &mut Ring, from: MonoTime, take: impl FnMut(Record)) -> io::Result<()> {
    let wait = from.since(now());
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    ring.drain(take).await
}

/// Waits for what files tell; forever if none is watched.
async fn read_files(files: Option<&mut CgroupFiles>, found: &mut Vec<Record>) -> io::Result<()> {
    match files {
        Some(files) => files.records(|record| found.push(record)).await,
        None => std::future::pending().await,
    }
}

/// Waits for what the programs log; forever if they do not.
async fn flush(log: Option<&mut ProgramLog>) -> io::Result<()> {
    let Some(log) = log else {
        return std::future::pending().await;
    };
    let mut guard = log.readable_mut().await?;
    guard.get_inner_mut().flush();
    guard.clear_ready();
    Ok(())
}

/// The filesystems on which disk usage can go by the blocks that the rung in use counts.
fn counted_by_block(sampler: &NodeSampler, standings: &[Standing]) -> Vec<u32> {
    let standing = standings.iter().find(|standing| standing.family == Family::Space);
    let Some(rung) = standing.and_then(|standing| standing.rung) else {
        return Vec::new();
    };
    // Where stat tells another device for a file than its filesystem's (btrfs), a walk cannot name it yet.
    let is_counted = |filesystem: &&Filesystem| {
        FsKind::at(filesystem.path()).is_some_and(|kind| serves(Family::Space, rung, kind))
            && filesystem.dev() == filesystem.superblock_dev()
    };
    let all = [Some(sampler.nodefs()), sampler.imagefs(), sampler.logfs()];
    let counted = all.into_iter().flatten().filter(is_counted);
    counted.map(kernel_dev_of).collect()
}

/// The programs' own log, if they have any to give.
fn open_log(ebpf: &mut Ebpf) -> Option<ProgramLog> {
    let logger =
        EbpfLogger::init(ebpf).map_err(|error| warn!("the probes do not log: {error}")).ok()?;
    // SAFETY: the logger owns its ring's descriptor and keeps it for as long as the AsyncFd lives.
    unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }.ok()
}
