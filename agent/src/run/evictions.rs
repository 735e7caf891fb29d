//! Carrying out evictions and following the victims until they are gone.

use std::time::Duration;

use evictd_core::{
    Evaluator, Eviction, EvictionId, EvictionMessage, MonoTime, Outcome, Placement, RefusedReason,
    Resource,
};

use super::{
    inbox::Wake,
    observe::Observer,
    record::{self, Place, PodName},
};
use crate::{
    actuate::{EmptiedWatch, Evicted, Interpreter},
    config::Mode,
};

/// How often a victim is asked whether it is gone. On cgroup v1 there is nothing to wait on.
const CHECK: Duration = Duration::from_millis(2);

/// Victims that are not gone after this long are left to the evaluator's deadline.
const FOLLOWED: Duration = Duration::from_secs(60);

/// Places of the ranking in a record.
const PLACES: usize = 5;

/// A killed pod whose cgroup is not known to be empty.
struct Victim {
    id: EvictionId,
    emptied: EmptiedWatch,
    until: MonoTime,
}

/// What was done, and to whom.
pub struct Evictions {
    mode: Mode,
    interpreter: Interpreter,
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
        let evicted = self.interpreter.evict(eviction, observer.index());
        self.count += 1;
        let record = self.record(eviction, &evicted, evaluator, observer, wake);
        if let Some(emptied) = evicted.emptied {
            let until = eviction.decided_at.after(FOLLOWED);
            self.victims.push(Victim { id: eviction.id, emptied, until });
        }
        (evicted.outcome, record)
    }

    /// When victims are to be asked next.
    pub fn next_check(&self) -> Option<MonoTime> {
        (!self.victims.is_empty()).then(|| self.checked.after(CHECK))
    }

    /// Victims that have become empty since.
    pub fn emptied(&mut self, now: MonoTime) -> Vec<EvictionId> {
        let mut empty = Vec::new();
        self.checked = now;
        self.victims.retain(|victim| {
            let gone = victim.emptied.is_empty();
            if gone {
                empty.push(victim.id);
            }
            !gone && now < victim.until
        });
        empty
    }

    fn record(
        &self,
        eviction: &Eviction,
        evicted: &Evicted,
        evaluator: &Evaluator,
        observer: &Observer,
        wake: Wake,
    ) -> record::Eviction {
        let places = evaluator.ranking().iter();
        let rank: Vec<Place> =
            places.take(PLACES).filter_map(|at| place(at, eviction, observer)).collect();
        record::Eviction {
            id: eviction.id.0,
            mode: self.mode(),
            signal: eviction.signal,
            hard: eviction.hard,
            name: name_of(eviction, observer),
            uid: eviction.pod.uid.clone(),
            cgroup_inode: eviction.pod.cgroup_inode,
            available: eviction.available,
            quantity: eviction.quantity,
            expected_release: eviction.expected_release,
            woken_by: wake.by,
            event_ns: wake.event_ns,
            observed_ns: eviction.observed_at.as_nanos(),
            decided_ns: eviction.decided_at.as_nanos(),
            kill_issued_ns: evicted.killed.map(|killed| killed.issued_at.as_nanos()),
            outcome: outcome_name(&evicted.outcome),
            detail: evicted.error.map(|error| error.to_string()),
            message: EvictionMessage(eviction).to_string(),
            rank,
        }
    }
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

/// The victim's name: from the observation that was decided on, since the index may have changed.
fn name_of(eviction: &Eviction, observer: &Observer) -> PodName {
    let pods = &observer.observation().pods;
    match pods.iter().find(|pod| pod.facts.id == eviction.pod) {
        Some(pod) => {
            PodName { namespace: pod.facts.namespace.clone(), pod: pod.facts.name.clone() }
        }
        None => PodName { namespace: "".into(), pod: eviction.pod.uid.clone() },
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
