//! Carrying out evictions and following the victims until they are gone.

use std::time::Duration;

use evictd_core::{
    Evaluator, Eviction, EvictionId, EvictionMessage, EvictionReason, MonoTime, Outcome, Placement,
    PodObservation, RefusedReason,
};

use super::{
    inbox::Wake,
    observe::Observer,
    record::{self, PodName},
};
use crate::{
    actuate::{EmptiedWatch, Evicted, Interpreter, KillMethod, Reaper},
    config::Mode,
    pods::PodIndex,
    rank::Place,
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
    eviction: Eviction,
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
        let mut evicted = self.interpreter.evict(eviction, observer.index());
        if let Some(large) = evicted.large.take() {
            self.reaper.release(large);
        }
        self.count += 1;
        let record = self.record(eviction, &evicted, evaluator, observer, wake);
        if let Some(emptied) = evicted.emptied {
            let graceful = evicted.killed.is_some_and(|k| k.method == KillMethod::Terminate);
            let end = eviction.decided_at.after(eviction.grace);
            self.victims.push(Victim {
                eviction: eviction.clone(),
                emptied,
                kill_at: graceful.then_some(end),
                until: end.after(FOLLOWED),
            });
        }
        (evicted.outcome, record)
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
            let id = victim.eviction.id;
            if victim.emptied.is_empty() {
                settled.emptied.push(id);
                return false;
            }
            if victim.kill_at.take_if(|end| *end <= now).is_some() {
                let now_hard = Eviction { hard: true, ..victim.eviction.clone() };
                let evicted = interpreter.evict(&now_hard, index);
                if let Some(large) = evicted.large {
                    self.reaper.release(large);
                }
                settled.grace_over.push((id, outcome_name(&evicted.outcome)));
            }
            now < victim.until
        });
        settled
    }

    fn record(
        &self,
        eviction: &Eviction,
        evicted: &Evicted,
        evaluator: &Evaluator,
        observer: &Observer,
        wake: Wake,
    ) -> record::Eviction {
        let rank = places(evaluator.ranking(), eviction, &observer.observation().pods);
        let (container, rate, crosses_in) = match &eviction.reason {
            EvictionReason::Threshold => (None, None, None),
            EvictionReason::LogWriter { container, rate, crosses_in } => {
                (Some(container.clone()), Some(*rate), Some(crosses_in.as_millis() as u64))
            }
        };
        record::Eviction {
            id: eviction.id.0,
            mode: self.mode(),
            signal: eviction.signal,
            hard: eviction.hard,
            name: name_of(eviction, observer),
            uid: eviction.pod.uid.clone(),
            cgroup_inode: eviction.pod.cgroup_inode,
            reason: eviction.reason.name(),
            container,
            log_bytes_per_second: rate,
            time_to_threshold_ms: crosses_in,
            available: eviction.available,
            quantity: eviction.quantity,
            fill_rate_per_second: evaluator.forecast().rate(eviction.signal),
            expected_release: eviction.expected_release,
            woken_by: wake.by,
            event_ns: wake.event_ns,
            observed_ns: eviction.observed_at.as_nanos(),
            decided_ns: eviction.decided_at.as_nanos(),
            kill_issued_ns: evicted.killed.map(|killed| killed.issued_at.as_nanos()),
            method: evicted.killed.map(|killed| killed.method.name()),
            grace_ms: eviction.grace.as_millis() as u64,
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

/// The first places of a ranking and the victim's; none for a log writer, for whom nobody is ranked.
fn places(ranking: &[Placement], eviction: &Eviction, pods: &[PodObservation]) -> Vec<Place> {
    if eviction.reason != EvictionReason::Threshold {
        return Vec::new();
    }
    let is_victim =
        |at: &Placement| pods.get(at.pod).is_some_and(|pod| pod.facts.id == eviction.pod);
    let wanted = |(index, at): &(usize, &Placement)| *index < PLACES || is_victim(at);
    let shown = ranking.iter().enumerate().filter(wanted);
    shown.filter_map(|(index, _)| Place::of(index, ranking, eviction.signal, pods)).collect()
}
