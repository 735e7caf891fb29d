//! Carrying out evictions and following the victims until they are gone.

use std::{sync::Arc, time::Duration};

use evictd_core::{
    Evaluator, Eviction, EvictionId, EvictionMessage, EvictionReport, LimitEviction, MonoTime,
    Outcome, Placement, PodObservation, PodRef, PodStats, PodUsage, RefusedReason, Resource,
};

use super::{
    inbox::Wake,
    observe::Observer,
    record::{self, Place, PodName},
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

/// Places of the ranking in a record.
const PLACES: usize = 5;

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
            .then(|| observer.index().by_uid(&eviction.pod.uid).map(ContainersMemory::read))
            .flatten();
        let order = Order::from(eviction);
        let evicted = self.evict(&order, observer);
        let mut record = base(self.mode(), &order, &evicted, observer, wake);
        record.hard = eviction.hard;
        record.signal = eviction.signal.name();
        record.available = eviction.available;
        record.quantity = eviction.quantity;
        record.expected_release = eviction.expected_release;
        record.observed_ns = eviction.observed_at.as_nanos();
        record.decided_ns = eviction.decided_at.as_nanos();
        record.grace_ms = eviction.grace.as_millis() as u64;
        record.message = message(eviction, memory, evaluator, observer);
        let places = evaluator.ranking().iter().take(PLACES);
        record.rank = places.filter_map(|at| place(at, eviction, observer)).collect();
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
        let limit = eviction.limit.quantity().value();
        let mut record = base(self.mode(), &order, &evicted, observer, wake);
        record.signal = eviction.limit.metric();
        record.available = limit.saturating_sub(eviction.used);
        record.quantity = limit;
        record.expected_release = u64::try_from(eviction.used).unwrap_or_default();
        record.observed_ns = eviction.decided_at.as_nanos();
        record.decided_ns = eviction.decided_at.as_nanos();
        record.message = EvictionReport::of_limit(eviction).message;
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

/// What is told of every eviction.
fn base(
    mode: &'static str,
    order: &Order,
    evicted: &Evicted,
    observer: &Observer,
    wake: Wake,
) -> record::Eviction {
    record::Eviction {
        id: order.id.0,
        mode,
        signal: "",
        hard: true,
        name: name_of(&order.pod, observer),
        uid: order.pod.uid.clone(),
        cgroup_inode: order.pod.cgroup_inode,
        available: 0,
        quantity: 0,
        expected_release: 0,
        woken_by: wake.by,
        event_ns: wake.event_ns,
        observed_ns: 0,
        decided_ns: 0,
        kill_issued_ns: evicted.killed.map(|killed| killed.issued_at.as_nanos()),
        method: evicted.killed.map(|killed| killed.method.name()),
        grace_ms: 0,
        outcome: outcome_name(&evicted.outcome),
        detail: evicted.error.as_ref().map(ToString::to_string),
        message: String::new(),
        rank: Vec::new(),
    }
}

/// O-1 to O-4, from what was decided on and from the memory of the victim's containers just before the
/// kill.
fn message(
    eviction: &Eviction,
    memory: Option<ContainersMemory>,
    evaluator: &Evaluator,
    observer: &Observer,
) -> String {
    let pod = observer.index().by_uid(&eviction.pod.uid);
    let observed = observed(&eviction.pod, observer);
    let usage = observed.map(|pod| pod.usage).unwrap_or_default();
    let stats = pod.zip(memory).map(|(pod, memory)| {
        Arc::new(PodStats {
            memory_working_set: usage.memory_working_set,
            containers: memory.stats(pod),
            ..PodStats::default()
        })
    });
    let facts = observed.map(|pod| &pod.facts).or_else(|| pod.map(|pod| pod.facts()));
    let Some(facts) = facts.cloned() else {
        return EvictionMessage(eviction).to_string();
    };
    let victim = PodObservation { facts, usage: PodUsage::default(), stats };
    let pod_level = evaluator.policy().kubelet.pod_level_resources;
    EvictionReport::of_pressure(eviction, &victim, pod_level).message
}

const fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Killed { .. } => "killed",
        Outcome::Observed { .. } => "observed",
        Outcome::Refused { reason: RefusedReason::Gone, .. } => "gone",
        Outcome::Refused { reason: RefusedReason::Reused, .. } => "reused",
        Outcome::Refused { reason: RefusedReason::Failed, .. } => "failed",
        Outcome::Emptied { .. } => "emptied",
        Outcome::Reclaimed { .. } => "reclaimed",
    }
}

/// The victim as it was decided on, if pods were looked at.
fn observed<'o>(pod: &PodRef, observer: &'o Observer) -> Option<&'o PodObservation> {
    observer.observation().pods.iter().find(|observed| observed.facts.id == *pod)
}

/// The victim's name: from the observation that was decided on, since the index may have changed.
fn name_of(pod: &PodRef, observer: &Observer) -> PodName {
    let listed = || observer.index().by_uid(&pod.uid).map(|pod| pod.facts());
    match observed(pod, observer).map(|pod| &pod.facts).or_else(listed) {
        Some(facts) => PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() },
        None => PodName { namespace: "".into(), pod: pod.uid.clone() },
    }
}

fn place(placement: &Placement, eviction: &Eviction, observer: &Observer) -> Option<Place> {
    let facts = &observer.observation().pods.get(placement.pod)?.facts;
    let has_request =
        matches!(eviction.signal.resource(), Resource::Memory | Resource::EphemeralStorage);
    Some(Place {
        name: PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() },
        priority: facts.priority,
        usage: placement.usage,
        request: has_request.then_some(placement.request),
        decided_by: placement.decided_by.map_or("last", evictd_core::Comparator::name),
        passed_over: placement.barred.map(evictd_core::Bar::name),
    })
}
