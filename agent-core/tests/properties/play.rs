//! Playing a history as the shell does.

use std::time::Duration;

use evictd_core::{
    Command, Evaluator, Eviction, EvictionId, MonoTime, NodeSignals, Observation, Outcome,
    PodObservation, Policy, RefusedReason, SignalObservation, Threshold,
};

use crate::arbitrary::{History, SIGNALS, Step};

/// What happened at one step.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub now: MonoTime,
    pub seen: Option<NodeSignals>,
    pub outcome: Option<Outcome>,
    pub commands: Vec<Command>,
}

pub fn signals(available: [Option<i64>; 4], at: MonoTime) -> NodeSignals {
    let mut signals = NodeSignals::default();
    for (signal, available) in SIGNALS.into_iter().zip(available) {
        let seen = available.map(|available| SignalObservation {
            available,
            capacity: 1000,
            at: Some(at),
        });
        signals.set(signal, seen);
    }
    signals
}

pub fn outcome(kind: u8, id: EvictionId) -> Outcome {
    let refused = |reason| Outcome::Refused { id, reason };
    match kind {
        0 => Outcome::Killed { id },
        1 => Outcome::Emptied { id },
        2 => Outcome::Observed { id },
        3 => refused(RefusedReason::Gone),
        4 => refused(RefusedReason::Reused),
        5 => refused(RefusedReason::Failed),
        6 => Outcome::Asked { id },
        7 => Outcome::Accepted { id },
        8 => refused(RefusedReason::Disruption { retry_after: Duration::from_millis(40) }),
        _ => refused(RefusedReason::Unanswered { retry_after: Duration::from_millis(20) }),
    }
}

pub fn play(policy: &Policy, pods: &[PodObservation], history: &History) -> Vec<Event> {
    let mut now = 0;
    let mut sampled = MonoTime::from_nanos(0);
    let mut evaluator = Evaluator::new(policy.clone(), sampled);
    let mut last_id = 0;
    let mut events = Vec::new();
    for (pause, step) in history {
        now += pause * 1_000_000;
        let at = MonoTime::from_nanos(now);
        let mut event = Event { now: at, seen: None, outcome: None, commands: Vec::new() };
        match *step {
            Step::Look { available, fresh } => {
                sampled = if fresh { at } else { sampled };
                let signals = signals(available, sampled);
                let usage_for = evaluator.usage_wanted(&signals, at);
                let pods = if usage_for.is_some() { pods.to_vec() } else { Vec::new() };
                evaluator.handle_observation(
                    &Observation { signals, usage_for, pods, ..Observation::default() },
                    at,
                );
                event.seen = Some(signals);
            }
            Step::Outcome { kind, back } => {
                let outcome = outcome(kind, EvictionId(u64::saturating_sub(last_id, back)));
                evaluator.handle_outcome(&outcome, at);
                event.outcome = Some(outcome);
            }
            Step::Timeout => evaluator.handle_timeout(at),
        }
        while let Some(command) = evaluator.poll_command() {
            if let Command::Evict(eviction) = &command {
                last_id = eviction.id.0;
            }
            if let Command::Reclaim { .. } = &command {
                evaluator.handle_outcome(&Outcome::Reclaimed { signals: None }, at);
            }
            event.commands.push(command);
        }
        events.push(event);
    }
    events
}

pub fn evictions(event: &Event) -> impl Iterator<Item = &Eviction> {
    event.commands.iter().filter_map(|command| match command {
        Command::Evict(eviction) => Some(eviction),
        Command::EvictOverLimit(_)
        | Command::Reclaim { .. }
        | Command::ThresholdMet { .. }
        | Command::SetCondition { .. }
        | Command::Released { .. }
        | Command::ReportLogWriter(_)
        | Command::UnableToEvict { .. } => None,
    })
}

/// True when `threshold` was met or unresolved in every observation that knew its signal, from one
/// at least its grace period before `now` up to `now`.
pub fn held_for_its_grace(threshold: &Threshold, past: &[Event], now: MonoTime) -> bool {
    for event in past.iter().rev() {
        let Some(seen) = event.seen.and_then(|signals| signals.get(threshold.signal)) else {
            continue;
        };
        if !threshold.is_unresolved(seen) {
            return false;
        }
        if now.since(event.now) >= threshold.grace {
            return true;
        }
    }
    false
}
