//! The loaded probes, as the control loop uses them.

use std::{collections::BTreeMap, io, os::fd::OwnedFd};

use aya::{Ebpf, sys::Stats};
use aya_log::EbpfLogger;
use evictd_common::{Probe, Record};
use evictd_core::{MonoTime, NodeSignals, Policy};
use tokio::io::{Interest, unix::AsyncFd};
use tracing::warn;

use super::{
    record::{ProgramCost, RungInUse},
    watch::Watch,
};
use crate::{
    clock::now,
    pods::PodIndex,
    probe::{
        CgroupFiles, CounterReader, Counters, Family, LoadError, LoadOptions, Ring, Shortage,
        Standing, Tripwires, load,
    },
    sample::NodeSampler,
};

type ProgramLog = AsyncFd<EbpfLogger<&'static dyn log::Log>>;

/// The probes and their maps. Dropping it detaches every program.
pub struct Kernel {
    ebpf: Ebpf,
    ring: Ring,
    /// The ring is left unread until then.
    ring_from: MonoTime,
    counters: Counters,
    reader: Option<CounterReader>,
    tripwires: Tripwires,
    watch: Watch,
    standings: Vec<Standing>,
    /// What families stand on that have no program; `None` if none does.
    files: Option<CgroupFiles>,
    log: Option<ProgramLog>,
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
            watch,
            standings,
            files: files.flatten(),
            ebpf,
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

    /// Drops the keys of cgroups that are gone.
    pub fn forget(&mut self, cgroups: &[u64]) {
        let devs: Vec<u32> = self.watch.devs().collect();
        for cgroup in cgroups {
            self.counters.forget_cgroup(*cgroup, &devs);
        }
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

/// The programs' own log, if they have any to give.
fn open_log(ebpf: &mut Ebpf) -> Option<ProgramLog> {
    let logger =
        EbpfLogger::init(ebpf).map_err(|error| warn!("the probes do not log: {error}")).ok()?;
    // SAFETY: the logger owns its ring's descriptor and keeps it for as long as the AsyncFd lives.
    unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }.ok()
}
