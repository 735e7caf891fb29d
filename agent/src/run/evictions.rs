//! Carrying out evictions and following the victims until they are gone.

use std::{sync::Arc, time::Duration};

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
    cluster::{
        evict::Request,
        outbox::{Notice, Told},
    },
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
    asked: Asked,
    until: MonoTime,
}

/// Whether the API server was asked to have a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It was not: the pod is ended here.
    No,
    /// There is no answer yet.
    Waiting,
    /// It has accepted.
    Accepted,
}

/// An eviction that was carried out.
pub struct Carried {
    /// For the evaluator.
    pub outcome: Outcome,
    /// For people.
    pub record: record::Eviction,
    /// For the cluster, if there is one; of a pod with a grace period only once that is over.
    pub notice: Option<Notice>,
    /// For the API server, if it is to be asked.
    pub request: Option<Request>,
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
    /// What it is to be told again, having been told otherwise since.
    pub taken_back: Vec<Arc<Notice>>,
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
    /// Soft evictions are asked for.
    asks: bool,
    checked: MonoTime,
    count: u64,
}

impl Evictions {
    /// Nothing done yet. `condemned`: there is a cluster to tell, and what an earlier evictd has not told.
    /// `asks`: soft evictions are not carried out but asked for.
    pub fn new(mode: Mode, condemned: Option<Condemned>, asks: bool) -> Self {
        Self {
            mode,
            interpreter: Interpreter::from(mode),
            reaper: Reaper::start(),
            // Room for more victims than resources, so that a kill does not allocate.
            victims: Vec::with_capacity(64),
            condemned,
            asks,
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
        let order = Order { ask: self.asks && !eviction.hard, ..Order::from(eviction) };
        let evicted = self.evict(&order, observer);
        // Asked for before, in vain or not.
        self.victims.retain(|victim| victim.order.pod != order.pod || victim.asked == Asked::No);
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
        let mut carried = Carried { outcome: evicted.outcome, record, notice: None, request: None };
        let Some(emptied) = evicted.emptied else {
            return carried;
        };
        let PodName { namespace, pod: name } = carried.record.name.clone();
        let asked = if order.ask { Asked::Waiting } else { Asked::No };
        if order.ask {
            let (id, uid, grace) = (order.id, order.pod.uid.clone(), order.grace);
            let (namespace, name) = (namespace.clone(), name.clone());
            carried.request = Some(Request { id, namespace, name, uid, grace });
        }
        let mut notice =
            self.condemned.is_some().then(|| Notice::new(&order.pod, namespace, name, report));
        if let (false, Some(condemned), Some(notice)) = (order.ask, &mut self.condemned, &notice) {
            condemned.add(notice.clone().into(), order.grace, decided_at);
        }
        let end = decided_at.after(order.grace);
        let graceful = evicted.killed.is_none_or(|k| k.method == KillMethod::Terminate);
        let later = notice.take_if(|_| graceful);
        carried.notice = notice;
        let kill_at = (graceful && !order.ask).then_some(end);
        let until = end.after(FOLLOWED);
        self.victims.push(Victim { order, emptied, kill_at, notice: later, asked, until });
        carried
    }

    /// What the API server said to the eviction of that number.
    pub fn answered(&mut self, id: EvictionId, outcome: &Outcome, now: MonoTime) {
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        self.victims.retain_mut(|victim| {
            if victim.order.id != id || victim.asked != Asked::Waiting {
                return true;
            }
            victim.asked = Asked::Accepted;
            victim.until = now.after(victim.order.grace).after(FOLLOWED);
            // The API server has written the condition itself.
            if let Some(notice) = &mut victim.notice {
                notice.disruption_target = false;
            }
            accepted
        });
    }

    /// The eviction is no longer waited for. True if the API server has not answered yet.
    pub fn give_up_asking(&mut self, id: EvictionId) -> bool {
        let before = self.victims.len();
        self.victims.retain(|victim| victim.order.id != id || victim.asked != Asked::Waiting);
        self.victims.len() < before
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
            None if victim.asked != Asked::No => self.checked.after(CHECK_GRACEFUL),
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
                // One that ended before the answer was not evicted.
                let notice = victim.notice.take().filter(|_| victim.asked != Asked::Waiting);
                settled.notices.extend(notice);
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
            now < victim.until || victim.asked == Asked::Waiting
        });
        if let Some(condemned) = condemned {
            let looked = condemned.look(*interpreter, index, now);
            settled.killed_again = looked.killed;
            settled.taken_back = looked.taken_back;
        }
        settled
    }
}
