//! The control loop: one owner of all state, woken by the kernel, by time, or by a signal to stop.

mod cluster;
mod evaluate;
mod reports;
mod turn;

use std::{io, sync::Arc};

use evictd_common::OTHER_CGROUP;
use evictd_core::{MonoTime, Outcome};
use tracing::warn;

use self::turn::{Signals, Turn};
use super::{
    evictions::Evictions,
    filler::Fillers,
    inbox::{Inbox, Wake},
    kernel::Kernel,
    memory_events::MemoryEventWatch,
    observe::Observer,
    reclaim::NodeReclaims,
    record::{OomVictim, Record, WokenBy},
    reload::Configuration,
    reporter::Reporter,
    schedule::{Probed, Schedule},
    tally::Tally,
};
use crate::{
    clock::now,
    cluster::{
        Cluster,
        evict::Evictor,
        node::NodeReporter,
        outbox::Outbox,
        pods::{PodFeed, PodsKnown},
    },
    http::Vitals,
    probe::{Family, MapSizes, Shortage},
    state::Board,
    trace::Traced,
};

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

impl Daemon {
    /// Runs until SIGTERM, SIGINT or the end that was set, then detaches the probes. SIGHUP makes it
    /// read its configuration.
    pub async fn run(mut self) -> io::Result<()> {
        let mut signals = Signals::new()?;
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
            let turn = self.turn(&mut signals, due, &mut inbox).await?;
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
            if let Some(wake) = wake.map(|wake| schedule.reason(wake)) {
                self.evaluate(wake, is_tick, &mut schedule);
                tally.count(wake, now());
                self.reporter.deeds().count_wake(wake.by);
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

    /// Why to look now if no record says so: it is time, or an outcome made more possible.
    fn by_clock(&self, schedule: &Schedule, freed: bool, at: MonoTime) -> Option<Wake> {
        let timeout = self.evaluator.poll_timeout().is_some_and(|timeout| timeout <= at);
        let more = (freed || timeout).then_some(Wake::by_clock(WokenBy::Look));
        schedule.due(at).or(more)
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
            WokenBy::Reclaim | WokenBy::MemoryEvent => schedule.heed(wake, at),
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
