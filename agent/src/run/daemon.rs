//! The control loop: one owner of all state, woken by the kernel, by time, or by a signal to stop.

use std::{io, sync::Arc, time::Duration};

use evictd_common::OTHER_CGROUP;
use evictd_core::{Command, LogWriterAction, MonoTime, Outcome, Signal};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use super::{
    evictions::{Carried, Evictions},
    filler::{Filler, Fillers},
    inbox::{Inbox, Wake},
    kernel::Kernel,
    memory_events::MemoryEventWatch,
    observe::Observer,
    pods_from::PodsFrom,
    reclaim::NodeReclaims,
    record::{self, LogWriter, OomVictim, Record, Started, Stopped, WokenBy},
    reload::Configuration,
    reporter::Reporter,
    schedule::{Probed, Schedule},
    tally::Tally,
};
use crate::{
    clock::now,
    cluster::{
        Cluster,
        evict::{Answered, Evictor},
        node::NodeReporter,
        outbox::{Notice, Outbox},
        pods::{PodFeed, PodsKnown},
    },
    http::Vitals,
    probe::{self, Family, MapSizes, Shortage},
    runtime::Told,
    sample::Filesystem,
    state::{Board, NodeState, PodView, Publication, UsageBy},
    trace::Traced,
};

/// Evaluations in one wake-up: an outcome may make the next eviction possible, and a budget may be
/// used up while it is armed. More can wait for the next turn of the loop.
const EVALUATIONS: usize = 8;

/// The shortest sleep.
const LEAST_WAIT: Duration = Duration::from_micros(200);

/// A running evictd.
pub struct Daemon {
    /// What is seen.
    pub observer: Observer,
    /// What is decided.
    pub evaluator: Traced,
    /// What is done.
    pub evictions: Evictions,
    /// The thread that talks to the API server. Ends before the outbox, which keeps what it has not told.
    pub cluster: Option<Cluster>,
    /// What the cluster is told of it; `None` without a cluster.
    pub outbox: Option<Outbox>,
    /// Who is asked for soft evictions; `None` without a cluster.
    pub evictor: Option<Evictor>,
    /// What the node says of itself; `None` without a cluster.
    pub node: Option<NodeReporter>,
    /// By which rules.
    pub configuration: Configuration,
    /// The probes; `None` where the kernel gives none.
    pub kernel: Option<Kernel>,
    /// What memory limits did.
    pub memory_events: MemoryEventWatch,
    /// What the node frees before a pod goes.
    pub reclaims: NodeReclaims,
    /// Where those who ask are told; `None` where nobody can.
    pub board: Option<Arc<Board>>,
    /// Where it shows that this loop turns.
    pub vitals: Arc<Vitals>,
    /// Who fills disks beside pods; `None` where that cannot be told.
    pub fillers: Option<Fillers>,
    /// Where it is told.
    pub reporter: Reporter,
    /// `v2`, `hybrid` or `v1`.
    pub cgroup: &'static str,
    /// What the kernel's maps have room for.
    pub map_sizes: MapSizes,
    /// When to end without being told to.
    pub ends: Option<MonoTime>,
    /// Where the API server's pods are found; `None` in standalone mode.
    pub pods: Option<PodFeed>,
    /// What was reported last of them.
    pub pods_known: PodsKnown,
}

/// How one turn of the loop ended.
enum Turn {
    Stop,
    Reload,
    Records,
    Pods,
    Answered(Answered),
    Told(Told),
    Due,
}

impl Daemon {
    /// Runs until SIGTERM, SIGINT or the end that was set, then detaches the probes. SIGHUP makes it
    /// read its configuration.
    pub async fn run(mut self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let counts = |family| self.kernel.as_ref().is_some_and(|kernel| kernel.counts(family));
        let probed = Probed { writes: counts(Family::Writes), tasks: counts(Family::Tasks) };
        let mut schedule = Schedule::new(now(), probed);
        let mut tally = Tally::default();
        self.tick();
        // Counted from here on.
        self.tell_of_memory(&Inbox::default(), true);
        self.report_start();
        loop {
            let mut inbox = Inbox::default();
            let due = self.due(&schedule);
            let turn = tokio::select! {
                biased;
                _ = terminate.recv() => Turn::Stop,
                _ = interrupt.recv() => Turn::Stop,
                () = until(self.ends.unwrap_or_default()), if self.ends.is_some() => Turn::Stop,
                _ = hangup.recv() => Turn::Reload,
                told = self.reclaims.told() => Turn::Told(told),
                result = records(self.kernel.as_mut(), &mut inbox) => {
                    result?;
                    Turn::Records
                }
                () = changed(self.pods.as_ref()) => Turn::Pods,
                answer = answered(self.evictor.as_mut()) => Turn::Answered(answer),
                () = until(due) => Turn::Due,
            };
            let at = now();
            let wake = match turn {
                Turn::Stop => break,
                Turn::Reload => self.reload(true).then_some(Wake::by_clock(WokenBy::Look)),
                Turn::Records => self.read(&inbox, &mut schedule, &mut tally, at),
                Turn::Pods => {
                    self.observer.refresh(self.kernel.as_mut());
                    Some(Wake::by_clock(WokenBy::Look))
                }
                Turn::Answered(answered) => {
                    self.take_answer(answered);
                    Some(Wake::by_clock(WokenBy::Look))
                }
                Turn::Told(told) => {
                    self.hear(told, at);
                    None
                }
                Turn::Due => None,
            };
            let freed = self.settle() | self.settle_reclaim(at);
            // Also after records: a stream of them must not keep the clock from being heard.
            let wake = wake.or_else(|| self.by_clock(&schedule, freed, at));
            let is_tick = schedule.is_tick(at);
            if is_tick {
                self.tick();
                self.notice_mounts();
                self.reload(false);
                schedule.ticked(at);
            }
            if let Some(wake) = wake {
                self.evaluate(wake, is_tick, &mut schedule);
                tally.count(wake, now());
                self.confirm_conditions();
            }
            self.vitals.turned(now(), self.observer.index().is_known());
            // After the evaluation: telling waits, killing does not.
            self.tell_of_pods();
            self.tell_of_memory(&inbox, is_tick);
            if is_tick {
                if let Some(outbox) = &self.outbox {
                    self.reporter.deeds().set_outbox(outbox.depth());
                }
                self.publish();
                self.look_for_fillers();
                if let Some(kernel) = &mut self.kernel {
                    let disks = self.observer.disks();
                    kernel.drop_dead_keys(now(), |id| disks.keeps_account(id));
                }
            }
        }
        for event in self.memory_events.finish(now()) {
            self.reporter.report(now(), Record::MemoryEvent(event));
        }
        self.report_stop(&tally);
        // What is due is told now, and what is then left stays on disk.
        drop(self.cluster.take());
        self.tell_what_was_told();
        self.evaluator.finish(now())
    }

    /// What is looked after once a second whatever happens.
    fn tick(&mut self) {
        self.observer.refresh(self.kernel.as_mut());
        self.observer.prepare(self.kernel.as_ref());
        for Shortage { family, reason } in self.kernel.iter_mut().flat_map(Kernel::shortages) {
            warn!("probe {}: not every cgroup is heard of: {reason}", family.name());
            let record = Record::ProbeDegraded { family: family.name(), reason };
            self.reporter.report(now(), record);
        }
    }

    /// Reports whether the API server tells the pods, when that changes.
    fn tell_of_pods(&mut self) {
        if self.observer.index().source().told().is_some_and(|told| told.known != self.pods_known) {
            self.pods_known = self.pods_known_now();
            let record = Record::Pods(PodsFrom::of(self.observer.index()));
            self.reporter.report(now(), record);
        }
    }

    fn pods_known_now(&self) -> PodsKnown {
        let told = self.observer.index().source().told();
        told.map(|told| told.known.clone()).unwrap_or_default()
    }

    /// Leaves what it knows for those who asked lately. After the evaluation, which does not wait for it.
    fn publish(&self) {
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
    fn look_for_fillers(&mut self) {
        let Self { observer, evaluator, fillers: Some(fillers), reporter, .. } = self else {
            return;
        };
        let (at, signals) = (now(), &observer.observation().signals);
        let seen = (observer.sampler(), observer.index());
        for filler in fillers.look(evaluator, signals, seen, at) {
            reporter.report(at, Record::DiskFiller(Box::new(filler)));
        }
    }

    /// Who fills the disk that a decision is about, if it is no pod.
    fn filler(&self, signal: Signal, at: MonoTime) -> Option<Filler> {
        self.fillers.as_ref()?.latest(signal, at).cloned()
    }

    /// When the loop must turn at the latest.
    fn due(&self, schedule: &Schedule) -> MonoTime {
        let evaluator = self.evaluator.poll_timeout();
        let victims = self.evictions.next_check();
        let events = self.memory_events.next();
        let reclaim = self.reclaims.next_check();
        let due = [Some(schedule.next()), evaluator, victims, events, reclaim];
        due.into_iter().flatten().min().unwrap_or_default()
    }

    /// Why to look now if no record says so: it is time, or an outcome made more possible.
    fn by_clock(&self, schedule: &Schedule, freed: bool, at: MonoTime) -> Option<Wake> {
        let timeout = self.evaluator.poll_timeout().is_some_and(|timeout| timeout <= at);
        if schedule.is_tick(at) {
            Some(Wake::by_clock(WokenBy::Tick))
        } else if freed || timeout || schedule.next() <= at {
            Some(Wake::by_clock(WokenBy::Look))
        } else {
            None
        }
    }

    /// Acts on what the records tell by themselves; gives the reason to look, if there is one.
    fn read(
        &mut self,
        inbox: &Inbox,
        schedule: &mut Schedule,
        tally: &mut Tally,
        at: MonoTime,
    ) -> Option<Wake> {
        if inbox.cgroups_changed {
            self.observer.refresh(self.kernel.as_mut());
            self.evictions.stir(at);
            tally.count_known(&inbox.made_cgroups, now());
            if let Some(kernel) = &mut self.kernel {
                let disks = self.observer.disks();
                kernel.forget(&inbox.removed_cgroups, |id| disks.keeps_account(id));
            }
        }
        let wake = inbox.wake?;
        match wake.by {
            // Reclaim at a limit goes on for as long as the cgroup stays there.
            WokenBy::Reclaim | WokenBy::MemoryEvent if schedule.too_soon(at) => None,
            WokenBy::Reclaim | WokenBy::MemoryEvent => Some(wake),
            WokenBy::Tripwire | WokenBy::Look | WokenBy::Tick => Some(wake),
        }
    }

    /// Tells of the OOM killer's victims and of what memory limits did. On a tick everything is read.
    fn tell_of_memory(&mut self, inbox: &Inbox, is_tick: bool) {
        let Self { memory_events, observer, reporter, .. } = self;
        memory_events.follow(observer);
        for (cgroup_id, at_ns) in &inbox.memory_events {
            memory_events.note(*cgroup_id, MonoTime::from_nanos(*at_ns));
        }
        let mut everything = is_tick;
        for victim in &inbox.oom_victims {
            // Older kernels tell no cgroup: it is the one whose kill is counted now.
            everything |= victim.cgroup_id == OTHER_CGROUP;
            memory_events.note(victim.cgroup_id, MonoTime::from_nanos(victim.ktime));
        }
        let events = memory_events.look(everything, now());
        for victim in &inbox.oom_victims {
            let victim = OomVictim::new(victim, observer.names(), &events);
            reporter.report(now(), Record::OomVictim(victim));
        }
        for event in events {
            reporter.report(now(), Record::MemoryEvent(event));
        }
    }

    /// Looks, decides, acts; on a tick also with regard to the pods' own limits.
    fn evaluate(&mut self, wake: Wake, is_tick: bool, schedule: &mut Schedule) {
        for turn in 0..EVALUATIONS {
            if let Some(kernel) = &mut self.kernel {
                kernel.mark();
            }
            let at = now();
            let limits = is_tick && turn == 0;
            self.observer.look(&self.evaluator, self.kernel.as_ref(), limits, at);
            self.evaluator.handle_timeout(at);
            self.evaluator.handle_observation(self.observer.observation(), now());
            let acted = self.carry_out(wake);
            self.evaluator.flush(self.observer.observation());

            let signals = &self.observer.observation().signals;
            let (policy, logs) = (self.evaluator.policy(), self.observer.log_writers());
            schedule.looked(policy, self.evaluator.forecast(), signals, at);
            if let Some(next) = logs.next() {
                schedule.look_by(next);
            }
            let log_bytes = logs.budget(policy.log_writers);
            let used_up =
                self.kernel.as_mut().is_some_and(|kernel| kernel.arm(policy, signals, log_bytes));
            if !acted && !used_up {
                return;
            }
        }
    }

    /// Carries out what was decided. True if something was done that may make more possible.
    pub(super) fn carry_out(&mut self, wake: Wake) -> bool {
        let mut acted = false;
        while let Some(command) = self.evaluator.poll_command() {
            let at = now();
            match command {
                Command::Evict(eviction) => {
                    let Carried { outcome, mut record, notice, request } =
                        self.evictions.carry_out(&eviction, &self.evaluator, &self.observer, wake);
                    self.evaluator.handle_outcome(&outcome, now());
                    record.filled_by = self.filler(eviction.signal, at);
                    record.node_reclaim = self.reclaims.take_end(eviction.signal);
                    self.reporter.report(at, Record::Eviction(Box::new(record)));
                    self.tell(notice);
                    self.tell_of_threshold(&eviction);
                    self.ask(request);
                    acted = true;
                }
                Command::SetCondition { condition, status } => {
                    self.reporter.report(at, Record::Condition { condition, status });
                    if let Some(node) = &self.node {
                        node.set(condition, status, at);
                    }
                }
                Command::Released { id, available, seen } => {
                    self.give_up_asking(id);
                    self.reporter.report(at, Record::Released { id: id.0, available, seen });
                }
                Command::UnableToEvict { signal } => {
                    self.reporter.report(at, Record::UnableToEvict { signal });
                }
                Command::ReportLogWriter(report) => {
                    let horizon = self.evaluator.policy().log_writers.horizon;
                    let filled_by = self.filler(report.signal, at);
                    let index = self.observer.index();
                    let record = LogWriter { filled_by, ..LogWriter::new(&report, horizon, index) };
                    self.reporter.report(at, Record::LogWriter(Box::new(record)));
                    // Evicting it takes another evaluation, with the pods at hand.
                    acted |= report.action == LogWriterAction::Evict;
                }
                Command::Reclaim { signal, steps } => self.reclaim(signal, steps, at),
                // Told by the eviction's own record.
                Command::ThresholdMet { .. } => {}
                Command::EvictOverLimit(eviction) => {
                    let Carried { outcome, record, notice, request: _ } =
                        self.evictions.carry_out_limit(&eviction, &self.observer, wake);
                    self.evaluator.handle_outcome(&outcome, now());
                    self.reporter.report(at, Record::Eviction(Box::new(record)));
                    self.tell(notice);
                    acted = true;
                }
            }
        }
        acted
    }

    /// Has the cluster told of what was done.
    fn tell(&self, notices: impl IntoIterator<Item = Notice>) {
        if let Some(outbox) = &self.outbox {
            notices.into_iter().for_each(|notice| outbox.put(notice));
        }
    }

    /// Reports what has become of the telling.
    fn tell_what_was_told(&mut self) {
        let at = now();
        for told in self.outbox.iter().flat_map(Outbox::told) {
            self.evictions.told(&told, at);
            self.reporter.report(at, Record::Told(Box::new(told)));
        }
    }

    /// Follows the victims, and tells the evaluator of those that are gone. True if one is.
    fn settle(&mut self) -> bool {
        let at = now();
        self.tell_what_was_told();
        let settled = self.evictions.settle(self.observer.index(), at);
        self.tell(settled.notices);
        for again in settled.killed_again {
            self.reporter.report(at, Record::KilledAgain(Box::new(again)));
        }
        for (id, outcome) in settled.grace_over {
            self.reporter.report(at, Record::GraceOver { id: id.0, outcome });
        }
        for &id in &settled.emptied {
            self.reporter.report(at, Record::Emptied { id: id.0 });
            self.evaluator.handle_outcome(&Outcome::Emptied { id }, at);
        }
        !settled.emptied.is_empty()
    }

    fn report_start(&mut self) {
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

    fn report_stop(&mut self, tally: &Tally) {
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

/// Waits for records; forever without probes.
async fn records(kernel: Option<&mut Kernel>, inbox: &mut Inbox) -> io::Result<()> {
    match kernel {
        Some(kernel) => kernel.records(|record| inbox.take(record)).await,
        None => std::future::pending().await,
    }
}

/// Waits until the API server has told something new; forever in standalone mode.
async fn changed(pods: Option<&PodFeed>) {
    match pods {
        Some(pods) => pods.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits for what came of a soft eviction; forever where nobody is asked.
async fn answered(evictor: Option<&mut Evictor>) -> Answered {
    if let Some(evictor) = evictor
        && let Some(answered) = evictor.answered().await
    {
        return answered;
    }
    std::future::pending().await
}

/// Never returns at once, so that a due time that stays in the past cannot spin the loop.
async fn until(due: MonoTime) {
    let wait: Duration = due.since(now()).max(LEAST_WAIT);
    sleep_until(Instant::now() + wait).await;
}
