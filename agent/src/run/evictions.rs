//! Carrying out evictions and following the victims until they are gone.

use std::time::Duration;

use evictd_core::{Evaluator, Eviction, EvictionId, LimitEviction, MonoTime, Outcome, Resource};

use super::{
    inbox::Wake,
    observe::Observer,
    record,
    told::{self, Deed, outcome_name},
};
use crate::{
    actuate::{EmptiedWatch, Evicted, Interpreter, KillMethod, Order, Reaper},
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
    until: MonoTime,
}

/// What has become of victims since they were last asked.
#[derive(Debug, Default)]
pub struct Settled {
    /// They have no task left.
    pub emptied: Vec<EvictionId>,
    /// Their grace period is over, so they were killed; with the name of the outcome.
    pub grace_over: Vec<(EvictionId, &'static str)>,
}

/// What was done, and to whom.
pub struct Evictions {
    mode: Mode,
    interpreter: Interpreter,
    reaper: Reaper,
    victims: Vec<Victim>,
    checked: MonoTime,
    count: u64,
}

impl Evictions {
    /// Nothing done yet.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            interpreter: Interpreter::from(mode),
            reaper: Reaper::start(),
            // Room for more victims than resources, so that a kill does not allocate.
            victims: Vec::with_capacity(64),
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
    ) -> (Outcome, record::Eviction) {
        // Before the kill, after which it is gone.
        let memory = (eviction.signal.resource() == Resource::Memory)
            .then(|| observer.index().by_uid(&eviction.pod.uid).map(ContainersMemory::take))
            .flatten();
        let order = Order::from(eviction);
        let evicted = self.evict(&order, observer);
        let deed = Deed { mode: self.mode(), order: &order, evicted: &evicted, wake };
        let record = told::pressure(&deed, eviction, memory, evaluator, observer);
        (self.follow(order, evicted, eviction.decided_at), record)
    }

    /// The same for a pod that is over a limit of its own local storage (P-5).
    pub fn carry_out_limit(
        &mut self,
        eviction: &LimitEviction,
        observer: &Observer,
        wake: Wake,
    ) -> (Outcome, record::Eviction) {
        let order = Order::from(eviction);
        let evicted = self.evict(&order, observer);
        let deed = Deed { mode: self.mode(), order: &order, evicted: &evicted, wake };
        let record = told::limit(&deed, eviction, observer);
        (self.follow(order, evicted, eviction.decided_at), record)
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
    fn follow(&mut self, order: Order, evicted: Evicted, decided_at: MonoTime) -> Outcome {
        if let Some(emptied) = evicted.emptied {
            let graceful = evicted.killed.is_some_and(|k| k.method == KillMethod::Terminate);
            let end = decided_at.after(order.grace);
            let kill_at = graceful.then_some(end);
            self.victims.push(Victim { order, emptied, kill_at, until: end.after(FOLLOWED) });
        }
        evicted.outcome
    }

    /// When victims are to be asked next.
    pub fn next_check(&self) -> Option<MonoTime> {
        let next = |victim: &Victim| match victim.kill_at {
            Some(kill_at) => kill_at.min(self.checked.after(CHECK_GRACEFUL)),
            None => self.checked.after(CHECK),
        };
        self.victims.iter().map(next).min()
    }

    /// Asks the victims, and kills those whose grace period is over.
    pub fn settle(&mut self, index: &PodIndex, now: MonoTime) -> Settled {
        let mut settled = Settled::default();
        self.checked = now;
        let interpreter = self.interpreter;
        self.victims.retain_mut(|victim| {
            let id = victim.order.id;
            if victim.emptied.is_empty() {
                settled.emptied.push(id);
                return false;
            }
            if victim.kill_at.take_if(|end| *end <= now).is_some() {
                victim.order.grace = Duration::ZERO;
                let evicted = interpreter.evict(&victim.order, index);
                if let Some(large) = evicted.large {
                    self.reaper.release(large);
                }
                settled.grace_over.push((id, outcome_name(&evicted.outcome)));
            }
            now < victim.until
        });
        settled
    }
}
