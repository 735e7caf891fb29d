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
use evictd_common::{Probe, Record};
use evictd_core::{MonoTime, NodeSignals, Policy};
use tokio::io::{Interest, unix::AsyncFd};
use tracing::warn;

use super::{
    record::{ProgramCost, RungInUse},
    watch::Watch,
};
use crate::{
    pods::PodIndex,
    probe::{
        CounterReader, Counters, Family, LoadError, LoadOptions, Ring, Standing, Tripwires, load,
    },
    sample::{CgroupMounts, NodeSampler},
    state::dead,
};

/// How often dead cgroups are looked for where the kernel does not tell of them.
const SWEEP: Duration = Duration::from_secs(10);

/// The probes and their maps. Dropping it detaches every program.
pub struct Kernel {
    ebpf: Ebpf,
    ring: Ring,
    counters: Counters,
    reader: Option<CounterReader>,
    tripwires: Tripwires,
    watch: Watch,
    standings: Vec<Standing>,
    log: Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>>,
    /// Where the hierarchy is mounted by whose ids is counted.
    cgroups: PathBuf,
    /// Records of cgroups that were lost by the last sweep.
    lost_lives: u64,
    swept: MonoTime,
    /// The kernel measures run times while this is open.
    _stats: Option<OwnedFd>,
}

impl Kernel {
    /// Loads the probes and points them at what the sampler samples.
    pub fn open(
        options: LoadOptions<'_>,
        stats: bool,
        sampler: &NodeSampler,
        mounts: &CgroupMounts,
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
        Ok(Self {
            ring: Ring::take(&mut ebpf)?,
            tripwires: Tripwires::take(&mut ebpf)?,
            log: if log { open_log(&mut ebpf) } else { None },
            counters,
            reader,
            watch,
            standings,
            ebpf,
            cgroups: mounts.identity().unwrap_or(Path::new("/sys/fs/cgroup")).to_owned(),
            lost_lives: 0,
            swept: MonoTime::default(),
            _stats: stats,
        })
    }

    /// The counters, for a thread that only reads, and how each family stands. Once.
    pub fn take_reader(&mut self) -> Option<(CounterReader, &[Standing])> {
        Some((self.reader.take()?, &self.standings))
    }

    /// The counters of writes, if any rung counts them.
    pub fn write_counters(&self) -> Option<&Counters> {
        self.stands(Family::Writes).then_some(&self.counters)
    }

    /// Whether a family has a rung.
    pub fn stands(&self, family: Family) -> bool {
        self.standings.iter().any(|standing| standing.family == family && standing.rung.is_some())
    }

    /// Waits for records. Cancel safe.
    pub async fn records(&mut self, take: impl FnMut(Record)) -> io::Result<()> {
        let Some(log) = &mut self.log else {
            return self.ring.drain(take).await;
        };
        tokio::select! {
            biased;
            drained = self.ring.drain(take) => drained,
            ready = log.readable_mut() => {
                let mut guard = ready?;
                guard.get_inner_mut().flush();
                guard.clear_ready();
                Ok(())
            }
        }
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

    /// Drops the keys of cgroups that are gone: space and tasks at once, writes when they are final.
    pub fn forget(&mut self, cgroups: &[u64]) {
        let devs: Vec<u32> = self.watch.devs().collect();
        for cgroup in cgroups {
            self.counters.forget_cgroup(*cgroup, &devs);
        }
    }

    /// Drops what keys there still are of cgroups that are gone. Where the kernel does not tell of these,
    /// or could not, they are found by looking at every cgroup.
    pub fn drop_dead_keys(&mut self, now: MonoTime) {
        let lost = self.counters.drops(Probe::CgroupLife);
        let missed = lost > self.lost_lives
            || (!self.stands(Family::CgroupLife) && now >= self.swept.after(SWEEP));
        if missed {
            (self.lost_lives, self.swept) = (lost, now);
            let dead = dead(&self.counters.counted_cgroups(), &self.cgroups);
            self.forget(&dead);
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

/// The programs' own log, if they have any to give.
fn open_log(ebpf: &mut Ebpf) -> Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>> {
    let logger =
        EbpfLogger::init(ebpf).map_err(|error| warn!("the probes do not log: {error}")).ok()?;
    // SAFETY: the logger owns its ring's descriptor and keeps it for as long as the AsyncFd lives.
    unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }.ok()
}
