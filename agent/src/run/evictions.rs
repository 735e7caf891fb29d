//! Carrying out evictions and following the victims until they are gone.

use std::time::Duration;

use evictd_core::{
    Evaluator, Eviction, EvictionId, EvictionReport, LimitEviction, MonoTime, Outcome, Resource,
};

use super::{
    condemned::Condemned,
    inbox::Wake,
    observe::Observer,
    record::{self, PodName},
    told::{self, Deed, outcome_name},
};
use crate::{
    actuate::{EmptiedWatch, Evicted, Interpreter, KillMethod, Order, Reaper},
    cluster::outbox::{Notice, Told},
    config::Mode,
    pods::PodIndex,
    sample::ContainersMemory,
};

/// How often a killed victim is asked whether it is gone. On cgroup v1 there is nothing to wait on.
const CHECK: Duration = Duration::from_millis(2);

/// The same for one that was asked to end and has a grace period.
const CHECK_GRACEFUL: Duration = Duration::from_millis(20);

/// Victims that are not gone after this long are left to the evaluator's deadline.
const FOLLOWED: Duration = Duration::from_secs(60);

/// A pod on its way out, whose cgroup is not known to be empty.
struct Victim {
    order: Order,
    emptied: EmptiedWatch,
    /// The end of its grace period, while it has one.
    kill_at: Option<MonoTime>,
    /// What the cluster is told when it has ended.
    notice: Option<Notice>,
    until: MonoTime,
}

/// An eviction that was carried out.
pub struct Carried {
    /// For the evaluator.
    pub outcome: Outcome,
    /// For people.
    pub record: record::Eviction,
    /// For the cluster, if there is one; of a pod with a grace period only once that is over.
    pub notice: Option<Notice>,
}

/// What has become of victims since they were last asked.
#[derive(Debug, Default)]
pub struct Settled {
    /// They have no task left.
    pub emptied: Vec<EvictionId>,
    /// Their grace period is over, so they were killed; with the name of the outcome.
    pub grace_over: Vec<(EvictionId, &'static str)>,
    /// What the cluster is to be told now.
    pub notices: Vec<Notice>,
    /// Evicted before, started again, and killed again.
    pub killed_again: Vec<record::KilledAgain>,
}

/// What was done, and to whom.
pub struct Evictions {
    mode: Mode,
    interpreter: Interpreter,
    reaper: Reaper,
    victims: Vec<Victim>,
    /// Those that the API server may not know of; `None` where there is none to tell.
    condemned: Option<Condemned>,
    checked: MonoTime,
    count: u64,
}

impl Evictions {
    /// Nothing done yet. `condemned`: there is a cluster to tell, and what an earlier evictd has not told.
    pub fn new(mode: Mode, condemned: Option<Condemned>) -> Self {
        Self {
            mode,
            interpreter: Interpreter::from(mode),
            reaper: Reaper::start(),
            // Room for more victims than resources, so that a kill does not allocate.
            victims: Vec::with_capacity(64),
            condemned,
            checked: MonoTime::default(),
            count: 0,
        }
    }

    /// `observe` or `enforce`.
    pub const fn mode(&self) -> &'static str {
        self.mode.name()
    }

    /// Carries out in that mode from now on.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.interpreter = Interpreter::from(mode);
    }

    /// Evictions so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Kills, or says that it would; only then writes the record.
    pub fn carry_out(
        &mut self,
        eviction: &Eviction,
        evaluator: &Evaluator,
        observer: &Observer,
        wake: Wake,
    ) -> Carried {
        // Before the kill, after which it is gone.
        let memory = (eviction.signal.resource() == Resource::Memory)
            .then(|| observer.index().by_uid(&eviction.pod.uid).map(ContainersMemory::take))
            .flatten();
        let order = Order::from(eviction);
        let evicted = self.evict(&order, observer);
        let report = told::report(eviction, memory, evaluator, observer);
        let deed = Deed { mode: self.mode(), order: &order, evicted: &evicted, wake };
        let message = report.message.clone();
        let record = told::pressure(&deed, eviction, message, evaluator, observer);
        self.follow(order, evicted, eviction.decided_at, record, report)
    }

    /// The same for a pod that is over a limit of its own local storage (P-5).
    pub fn carry_out_limit(
        &mut self,
        eviction: &LimitEviction,
        observer: &Observer,
        wake: Wake,
    ) -> Carried {
        let order = Order::from(eviction);
        let evicted = self.evict(&order, observer);
        let report = EvictionReport::of_limit(eviction);
        let deed = Deed { mode: self.mode(), order: &order, evicted: &evicted, wake };
        let record = told::limit(&deed, eviction, report.message.clone(), observer);
        self.follow(order, evicted, eviction.decided_at, record, report)
    }

    fn evict(&mut self, order: &Order, observer: &Observer) -> Evicted {
        let mut evicted = self.interpreter.evict(order, observer.index());
        if let Some(large) = evicted.large.take() {
            self.reaper.release(large);
        }
        self.count += 1;
        evicted
    }

    /// Remembers a victim until it is gone.
    fn follow(
        &mut self,
        order: Order,
        evicted: Evicted,
        decided_at: MonoTime,
        record: record::Eviction,
        report: EvictionReport,
    ) -> Carried {
        let mut notice = None;
        if let Some(emptied) = evicted.emptied {
            let end = decided_at.after(order.grace);
            if let Some(condemned) = &mut self.condemned {
                condemned.add(&order.pod, order.grace, decided_at);
                let PodName { namespace, pod } = record.name.clone();
                notice = Some(Notice::new(&order.pod, namespace, pod, report));
            }
            let graceful = evicted.killed.is_some_and(|k| k.method == KillMethod::Terminate);
            let kill_at = graceful.then_some(end);
            let later = notice.take_if(|_| graceful);
            let until = end.after(FOLLOWED);
            self.victims.push(Victim { order, emptied, kill_at, notice: later, until });
        }
        Carried { outcome: evicted.outcome, record, notice }
    }

    /// A cgroup came or went.
    pub fn stir(&mut self, now: MonoTime) {
        if let Some(condemned) = &mut self.condemned {
            condemned.stir(now);
        }
    }

    /// What has become of the telling.
    pub fn told(&mut self, told: &Told, now: MonoTime) {
        if let Some(condemned) = &mut self.condemned {
            condemned.told(told, now);
        }
    }

    /// When victims are to be asked next.
    pub fn next_check(&self) -> Option<MonoTime> {
        let next = |victim: &Victim| match victim.kill_at {
            Some(kill_at) => kill_at.min(self.checked.after(CHECK_GRACEFUL)),
            None => self.checked.after(CHECK),
        };
        let again = self.condemned.as_ref().and_then(Condemned::next);
        self.victims.iter().map(next).chain(again).min()
    }

    /// Asks the victims, kills those whose grace period is over, and again those that were started again.
    pub fn settle(&mut self, index: &PodIndex, now: MonoTime) -> Settled {
        let mut settled = Settled::default();
        self.checked = now;
        let Self { interpreter, condemned, .. } = self;
        self.victims.retain_mut(|victim| {
            let id = victim.order.id;
            if victim.emptied.is_empty() {
                settled.emptied.push(id);
                settled.notices.extend(victim.notice.take());
                if let Some(condemned) = condemned {
                    condemned.emptied(&victim.order.pod);
                }
                return false;
            }
            if victim.kill_at.take_if(|end| *end <= now).is_some() {
                victim.order.grace = Duration::ZERO;
                let evicted = interpreter.evict(&victim.order, index);
                if let Some(large) = evicted.large {
                    self.reaper.release(large);
                }
                settled.grace_over.push((id, outcome_name(&evicted.outcome)));
                settled.notices.extend(victim.notice.take());
            }
            now < victim.until
        });
        if let Some(condemned) = condemned {
            settled.killed_again = condemned.look(*interpreter, index, now);
        }
        settled
    }
}
