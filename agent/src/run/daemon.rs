//! The control loop: one owner of all state, woken by the kernel, by time, or by a signal to stop.

mod cluster;
mod reports;

use std::{io, sync::Arc, time::Duration};

use evictd_common::OTHER_CGROUP;
use evictd_core::{Command, LogWriterAction, MonoTime, Outcome, Signal};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};
use tracing::warn;

use self::cluster::{answered, changed};
use super::{
    evictions::{Carried, Evictions},
    filler::{Filler, Fillers},
    inbox::{Inbox, Wake},
    kernel::Kernel,
    memory_events::MemoryEventWatch,
    observe::Observer,
    reclaim::NodeReclaims,
    record::{LogWriter, OomVictim, Record, WokenBy},
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
        outbox::Outbox,
        pods::{PodFeed, PodsKnown},
    },
    http::Vitals,
    probe::{Family, MapSizes, Shortage},
    runtime::Told,
    state::Board,
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

    /// Follows the victims, and tells the evaluator of those that are gone. True if one is.
    fn settle(&mut self) -> bool {
        let at = now();
        self.tell_what_was_told();
        let settled = self.evictions.settle(self.observer.index(), at);
        self.tell(settled.notices);
        self.tell_again(settled.taken_back);
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
}

/// Waits for records; forever without probes.
async fn records(kernel: Option<&mut Kernel>, inbox: &mut Inbox) -> io::Result<()> {
    match kernel {
        Some(kernel) => kernel.records(|record| inbox.take(record)).await,
        None => std::future::pending().await,
    }
}

/// Never returns at once, so that a due time that stays in the past cannot spin the loop.
async fn until(due: MonoTime) {
    let wait: Duration = due.since(now()).max(LEAST_WAIT);
    sleep_until(Instant::now() + wait).await;
}
