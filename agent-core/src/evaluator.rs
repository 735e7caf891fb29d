//! The evaluator: observations, outcomes and time in, commands out.

mod choice;
mod conditions;
mod explain;
mod kubelet;
mod ledger;
mod limits;
mod log_writers;
mod outcome;
mod pending;
mod reclaim;
mod sampled;
mod simulation;
mod track;
mod victim;

use std::collections::VecDeque;

use crate::{
    Command, EvictionId, Forecast, MonoTime, NodeCondition, NodeSignals, Observation, Policy,
    Resource, Semantics, Signal, figure::Figure, rank::Ranking,
};
use conditions::{Cause, Conditions};
use kubelet::Kubelet;
use ledger::{Ledger, Standing};
use limits::OverLimit;
use log_writers::LogWriters;
use pending::InFlight;
use reclaim::Reclaiming;
use sampled::SampleTimes;
use simulation::Simulation;
use track::Track;

/// Decides. Holds no clock and does no IO: the same inputs at the same times give the same commands.
///
/// One evaluation: sample the node's signals; ask [`usage_wanted`](Self::usage_wanted) whose per-pod
/// figures are needed, if any; read these; hand all of it to
/// [`handle_observation`](Self::handle_observation); carry out what
/// [`poll_command`](Self::poll_command) gives and report back through
/// [`handle_outcome`](Self::handle_outcome). An evaluation evicts at most one pod (L-21); the next
/// eviction for the same resource waits until the release was seen or its deadline has passed. In
/// kubelet semantics it waits for every resource (L-1).
///
/// The shell should evaluate again right after an outcome and after a timeout: neither evicts by
/// itself, both may make an eviction possible.
#[derive(Debug)]
pub struct Evaluator {
    policy: Policy,
    now: MonoTime,
    /// One for each threshold of the policy.
    tracks: Vec<Track>,
    conditions: Conditions,
    sampled: SampleTimes,
    forecast: Forecast,
    in_flight: InFlight,
    ledger: Ledger,
    simulation: Simulation,
    exhausted: [Option<Exhausted>; Resource::COUNT],
    over_limit: OverLimit,
    log_writers: LogWriters,
    reclaiming: Option<Reclaiming>,
    kubelet: Kubelet,
    ranking: Ranking,
    commands: VecDeque<Command>,
    next_id: u64,
}

/// Nobody could be evicted for a resource.
#[derive(Clone, Copy, Debug)]
struct Exhausted {
    /// Until then the resource gives way to the others.
    until: MonoTime,
    reported: bool,
}

impl Evaluator {
    /// Room for the commands of several evaluations, so that queueing one allocates nothing.
    const COMMAND_CAPACITY: usize = 64;

    /// An evaluator that has seen nothing yet.
    pub fn new(policy: Policy, now: MonoTime) -> Self {
        Self {
            tracks: vec![Track::default(); policy.thresholds.len()],
            policy,
            now,
            conditions: Conditions::default(),
            sampled: SampleTimes::default(),
            forecast: Forecast::default(),
            in_flight: InFlight::default(),
            ledger: Ledger::new(),
            simulation: Simulation::default(),
            exhausted: [None; Resource::COUNT],
            over_limit: OverLimit::default(),
            log_writers: LogWriters::default(),
            reclaiming: None,
            kubelet: Kubelet::default(),
            ranking: Ranking::default(),
            commands: VecDeque::with_capacity(Self::COMMAND_CAPACITY),
            next_id: 1,
        }
    }

    /// Whose per-pod figures the next [`handle_observation`](Self::handle_observation) needs, given
    /// these signals. `None`: no threshold is due, pods need not be read at all.
    pub fn usage_wanted(&self, signals: &NodeSignals, now: MonoTime) -> Option<Signal> {
        let now = self.now.max(now);
        let credited = self.simulation.credited(signals, self.policy.layout);
        let satisfied = |i: usize| {
            let threshold = &self.policy.thresholds[i];
            let seen = credited.get(threshold.signal);
            self.tracks[i].next(threshold, seen, self.policy.semantics, now).satisfied
        };
        let open = |signal: Signal| self.is_open(signal.resource(), signals, now);
        self.choose(&credited, satisfied, open)
            .map(|i| self.policy.thresholds[i].signal)
            .or_else(|| self.log_writer_wants(&credited, signals, now))
            .or_else(|| self.simulation.wants_check(signals, now))
    }

    /// Evaluates what was seen. Evicts only for the resource whose figures were read
    /// ([`Observation::usage_for`]), and only on a sample newer than the last (L-12).
    pub fn handle_observation(&mut self, o: &Observation, now: MonoTime) {
        let now = self.advance(now);
        self.forecast.observe(&o.signals, now);
        if self.policy.semantics == Semantics::Kubelet {
            self.synchronize(o, now);
            let signals = self.simulation.credited(&o.signals, self.policy.layout);
            self.judge_log_writers(o, &signals, now);
            return;
        }
        if o.usage_for.is_some() {
            self.ranking.clear();
        }
        if o.lists_pods() {
            self.ledger.forget_absent(&o.pods);
        }
        self.simulation.refresh(o, self.policy.layout, now);
        self.simulation.drop_cleared(&o.signals);
        self.settle_pending(&o.signals, now);
        let signals = self.simulation.credited(&o.signals, self.policy.layout);
        self.judge(&signals, now);

        self.escalate(&signals, now);
        if !self.evict_over_limits(o, now)
            && let Some(usage_for) = o.usage_for
        {
            let satisfied = |i: usize| self.tracks[i].satisfied;
            let readable = |signal: Signal| {
                Figure::of(signal) == Figure::of(usage_for)
                    && self.is_open(signal.resource(), &o.signals, now)
            };
            if let Some(due) = self.choose(&signals, satisfied, readable)
                && let Some(crossing) = self.crossing(due, &signals)
                && !self.reclaim_first(crossing, o)
            {
                self.evict_for(crossing, &o.pods, false, now);
            }
        }
        self.judge_log_writers(o, &signals, now);
        self.evict_log_writer(o, &signals, now);
        self.sampled.record(&signals, self.policy.semantics);
    }

    /// Lets time pass: deadlines of pending releases and of conditions.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        let now = self.advance(now);
        self.settle_pending(&NodeSignals::default(), now);
        self.reclaiming.take_if(|reclaiming| reclaiming.is_overdue(now));
        // Without a summary the kubelet's conditions are frozen (L-3d).
        if self.policy.semantics == Semantics::Strict {
            self.conditions.expire(self.policy.transition_period, now, &mut self.commands);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and to evaluate again at the latest:
    /// the end of a pending release, a condition's transition, a grace period or a back-off.
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        let releases = self.in_flight.iter().map(|pending| pending.deadline);
        let graces = self.tracks.iter().zip(&self.policy.thresholds);
        // A grace period that is over waits for the next observation, not for time.
        let graces = graces
            .filter_map(|(track, threshold)| track.grace_ends(threshold))
            .filter(|end| *end > self.now);
        let expiry = match self.policy.semantics {
            Semantics::Strict => self.conditions.next_expiry(self.policy.transition_period),
            Semantics::Kubelet => None,
        };
        releases
            .chain(graces)
            .chain(expiry)
            .chain(self.over_limit.next_deadline())
            .chain(self.reclaiming.as_ref().map(Reclaiming::deadline))
            .chain(self.ledger.next_retry(self.now))
            .min()
    }

    /// The next thing to do, in the order in which they were decided.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Puts another policy in force. Thresholds that stay the same keep their grace timers; pending
    /// releases and conditions go on. Evictions that were only observed no longer count as done.
    pub fn set_policy(&mut self, policy: Policy, now: MonoTime) {
        self.advance(now);
        let old = self.policy.thresholds.iter().zip(&self.tracks);
        self.tracks = policy
            .thresholds
            .iter()
            .map(|new| {
                let same = old.clone().find(|(threshold, _)| *threshold == new);
                same.map_or_else(Track::default, |(_, track)| *track)
            })
            .collect();
        self.simulation.clear();
        self.policy = policy;
        self.kubelet.restart(&mut self.policy);
    }

    /// Time never runs backwards here, whatever the caller says.
    fn advance(&mut self, now: MonoTime) -> MonoTime {
        self.now = self.now.max(now);
        self.now
    }

    /// L-4 to L-11: thresholds and conditions.
    fn judge(&mut self, signals: &NodeSignals, now: MonoTime) {
        let mut causes = [Cause::default(); NodeCondition::COUNT];
        let mut starved = [false; Resource::COUNT];
        for (track, threshold) in self.tracks.iter_mut().zip(&self.policy.thresholds) {
            let seen = signals.get(threshold.signal);
            *track = track.next(threshold, seen, self.policy.semantics, now);
            let cause = &mut causes[threshold.signal.condition().index()];
            // The kubelet knows only when a cause was last there (L-9).
            let holds = self.policy.semantics == Semantics::Strict;
            cause.held |= holds && track.first_observed.is_some();
            cause.observed |= track.first_observed.is_some() && seen.is_some();
            starved[threshold.signal.resource().index()] |= track.satisfied;
        }
        self.conditions.update(causes, self.policy.transition_period, now, &mut self.commands);
        for (exhausted, starved) in self.exhausted.iter_mut().zip(starved) {
            if !starved {
                *exhausted = None;
            }
        }
    }

    /// Ends the pending evictions whose release these signals show or whose deadline has passed.
    fn settle_pending(&mut self, signals: &NodeSignals, now: MonoTime) {
        for pending in self.in_flight.iter_mut() {
            if let Some(seen) = signals.get(pending.signal) {
                pending.last_available = seen.available;
            }
        }
        while let Some((pending, seen)) = self.in_flight.take_ended(|p| p.ended(signals, now)) {
            let until = now.after(self.policy.release_deadlines.of(pending.signal.resource()));
            let standing = Standing::Ended { emptied: pending.emptied_at.is_some(), until };
            self.ledger.amend(pending.id, standing);
            self.commands.push_back(Command::Released {
                id: pending.id,
                available: pending.last_available,
                seen,
            });
        }
        while let Some((id, emptied)) = self.over_limit.take_ended(now) {
            let until = now.after(self.policy.release_deadlines.disk);
            self.ledger.amend(id, Standing::Ended { emptied, until });
        }
    }

    fn next_id(&mut self) -> EvictionId {
        let id = EvictionId(self.next_id);
        self.next_id += 1;
        id
    }
}

#[cfg(test)]
mod tests;
