//! Plays the inputs of a trace to an evaluator.

use std::{borrow::Cow, collections::BTreeMap};

use evictd_core::{
    Command, Evaluator, EvictionId, MonoTime, Observation, Outcome, PodRef, Policy, Signal,
};

use super::decision::Decision;
use crate::trace::{Entry, Event, Figures, Trace};

/// What came of it.
#[derive(Debug, Default)]
pub struct Played {
    /// Every command, in order.
    pub commands: Vec<Command>,
    /// What people compare.
    pub decisions: Vec<Decision>,
    /// Observations at which the policy wanted figures of pods that were not recorded: there it could
    /// not evict.
    pub without_figures: u64,
}

/// Plays a trace as it was recorded: the same policy, the same outcomes.
pub fn as_recorded(trace: &Trace) -> Played {
    let mut player = Player::new(trace, trace.header.policy.clone());
    for entry in &trace.entries {
        match &entry.event {
            Event::Observation(seen) => player.observe(Cow::Borrowed(seen), entry.now),
            Event::Outcome(outcome) => player.evaluator.handle_outcome(outcome, entry.now),
            Event::Timeout => player.time_passes(entry.now),
            Event::Policy(policy) => player.evaluator.set_policy((**policy).clone(), entry.now),
            Event::Command(_) => continue,
        }
        player.drain(entry.now, |_| None);
    }
    player.played
}

/// Plays the recorded observations under another policy.
///
/// The signals are the recorded ones. Where the trace has the very same eviction at the same
/// observation, what came of that comes of this; any other eviction counts as observed, so that its
/// release is simulated, and recorded outcomes that belong to none are passed over.
pub fn under(trace: &Trace, policy: Policy) -> Played {
    // The same policy wants the figures that were wanted.
    let is_same = policy == trace.header.policy && !changes_policy(trace);
    let asks_anew = trace.header.figures == Figures::All && !is_same;
    let mut player = Player::new(trace, policy);
    let mut same = Same::default();
    for (i, entry) in trace.entries.iter().enumerate() {
        match &entry.event {
            Event::Observation(seen) => {
                let wanted = player.evaluator.usage_wanted(&seen.signals, entry.now);
                let seen = if asks_anew {
                    Cow::Owned(Observation { usage_for: wanted, ..(**seen).clone() })
                } else {
                    // The recorded signal will do where it is of the same resource.
                    let resource = |signal: Signal| signal.resource();
                    let missing = wanted.map(resource) != seen.usage_for.map(resource);
                    player.played.without_figures += u64::from(wanted.is_some() && missing);
                    Cow::Borrowed(&**seen)
                };
                player.observe(seen, entry.now);
            }
            Event::Outcome(recorded) => {
                let Some(outcome) = same.renumbered(recorded) else { continue };
                player.evaluator.handle_outcome(&outcome, entry.now);
            }
            Event::Timeout => player.time_passes(entry.now),
            Event::Policy(_) | Event::Command(_) => continue,
        }
        let recorded = evictions_before_next_look(&trace.entries[i + 1..]);
        let reclaims = reclaims_before_next_look(&trace.entries[i + 1..]);
        player.drain(entry.now, |command| match command {
            Command::Evict(eviction) => same.answer(eviction.id, &eviction.pod, &recorded),
            Command::EvictOverLimit(eviction) => same.answer(eviction.id, &eviction.pod, &recorded),
            Command::Reclaim { .. } if reclaims => None,
            Command::Reclaim { .. } => Some(Outcome::Reclaimed { signals: None }),
            Command::ThresholdMet { .. }
            | Command::SetCondition { .. }
            | Command::ReportLogWriter(_)
            | Command::Released { .. }
            | Command::UnableToEvict { .. } => None,
        });
    }
    player.played
}

fn changes_policy(trace: &Trace) -> bool {
    trace.entries.iter().any(|entry| matches!(entry.event, Event::Policy(_)))
}

/// The recorded evictions up to the next observation.
fn evictions_before_next_look(entries: &[Entry]) -> Vec<(EvictionId, &PodRef)> {
    let here = entries.iter().take_while(|entry| !matches!(entry.event, Event::Observation(_)));
    let evictions = here.filter_map(|entry| {
        let Event::Command(command) = &entry.event else { return None };
        match command {
            Command::Evict(eviction) => Some((eviction.id, &eviction.pod)),
            Command::EvictOverLimit(eviction) => Some((eviction.id, &eviction.pod)),
            Command::Reclaim { .. }
            | Command::ThresholdMet { .. }
            | Command::SetCondition { .. }
            | Command::ReportLogWriter(_)
            | Command::Released { .. }
            | Command::UnableToEvict { .. } => None,
        }
    });
    evictions.collect()
}

/// Whether the recorded run asked for something to be freed as well: then its outcome will come.
fn reclaims_before_next_look(entries: &[Entry]) -> bool {
    let mut here = entries.iter().take_while(|e| !matches!(e.event, Event::Observation(_)));
    here.any(|entry| matches!(entry.event, Event::Command(Command::Reclaim { .. })))
}

/// The numbers of recorded evictions to those of the same evictions here.
#[derive(Default)]
struct Same(BTreeMap<EvictionId, EvictionId>);

impl Same {
    /// `None` where the recorded outcome will come.
    fn answer(
        &mut self,
        id: EvictionId,
        pod: &PodRef,
        recorded: &[(EvictionId, &PodRef)],
    ) -> Option<Outcome> {
        let is_same =
            |(number, of): &&(EvictionId, &PodRef)| *of == pod && !self.0.contains_key(number);
        match recorded.iter().find(is_same) {
            Some((number, _)) => {
                self.0.insert(*number, id);
                None
            }
            None => Some(Outcome::Observed { id }),
        }
    }

    /// The recorded outcome with the number here.
    fn renumbered(&self, recorded: &Outcome) -> Option<Outcome> {
        let here = |id: &EvictionId| self.0.get(id).copied();
        Some(match recorded {
            Outcome::Killed { id } => Outcome::Killed { id: here(id)? },
            Outcome::Observed { id } => Outcome::Observed { id: here(id)? },
            Outcome::Emptied { id } => Outcome::Emptied { id: here(id)? },
            Outcome::Asked { id } => Outcome::Asked { id: here(id)? },
            Outcome::Accepted { id } => Outcome::Accepted { id: here(id)? },
            Outcome::Refused { id, reason } => Outcome::Refused { id: here(id)?, reason: *reason },
            // Who waits for none is not moved by it.
            Outcome::Reclaimed { .. } => recorded.clone(),
        })
    }
}

struct Player<'t> {
    evaluator: Evaluator,
    start: MonoTime,
    /// When decisions are told to be made: at the last look, or when time was told to pass.
    at: MonoTime,
    /// The observation last played.
    seen: Option<Cow<'t, Observation>>,
    played: Played,
}

impl<'t> Player<'t> {
    fn new(trace: &Trace, policy: Policy) -> Self {
        let start = trace.header.now;
        let evaluator = Evaluator::new(policy, start);
        Self { evaluator, start, at: start, seen: None, played: Played::default() }
    }

    fn observe(&mut self, seen: Cow<'t, Observation>, now: MonoTime) {
        self.at = now;
        self.evaluator.handle_observation(&seen, now);
        self.seen = Some(seen);
    }

    fn time_passes(&mut self, now: MonoTime) {
        self.at = now;
        self.evaluator.handle_timeout(now);
    }

    /// Takes in what the evaluator wants, and gives it the outcomes that `answer` has for it.
    fn drain(&mut self, now: MonoTime, mut answer: impl FnMut(&Command) -> Option<Outcome>) {
        while let Some(command) = self.evaluator.poll_command() {
            let at = self.at.since(self.start);
            let evaluator = Some(&self.evaluator);
            let decision = Decision::of(&command, at, self.seen.as_deref(), evaluator);
            self.played.decisions.extend(decision);
            if let Some(outcome) = answer(&command) {
                self.evaluator.handle_outcome(&outcome, now);
            }
            self.played.commands.push(command);
        }
    }
}
