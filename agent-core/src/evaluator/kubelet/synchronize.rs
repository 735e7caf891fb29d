//! One evaluation in the kubelet's order (L-3a to L-22).

use crate::{
    Command, Decision, Evaluator, MonoTime, Observation, PodObservation, Signal, Summary,
    disks::Disks, evaluator::choice::Crossing, figure::Figure,
};

impl Evaluator {
    /// Evaluates an observation as the kubelet would. While pods it evicted are being cleaned up, or
    /// the node frees something, the kubelet is not looking (L-1, L-2, L-17): nothing is decided then,
    /// but that a threshold is clear again is taken note of, so that its grace starts anew.
    pub(in crate::evaluator) fn synchronize(&mut self, o: &Observation, now: MonoTime) {
        self.settle_pending(&o.signals, now);
        if self.is_cleaning_up() || self.reclaiming.is_some() {
            if self.reclaiming.is_none() {
                self.kubelet.decide(Decision::Waiting);
            }
            if o.summary != Summary::Failed {
                let signals = self.simulation.credited(&o.signals, self.policy.layout);
                self.judge(&signals, now);
                self.sampled.record(&signals, self.policy.semantics);
            }
            return;
        }
        self.ranking.clear();
        let decision = self.evaluate(o, now);
        self.kubelet.decide(decision);
    }

    fn is_cleaning_up(&self) -> bool {
        !self.over_limit.is_empty() || self.in_flight.iter().next().is_some()
    }

    fn evaluate(&mut self, o: &Observation, now: MonoTime) -> Decision {
        if self.is_disabled() {
            return Decision::Disabled;
        }
        let layout = self.policy.layout;
        self.kubelet.disks.get_or_insert_with(|| Disks::from(layout));
        let changes = self.mirror_containerfs();
        if o.summary == Summary::Failed {
            self.apply_all(changes);
            return Decision::SummaryError; // L-3d
        }
        let whole = o.summary == Summary::Whole;
        if o.lists_pods() {
            self.ledger.forget_absent(&o.pods);
        }
        self.simulation.refresh(o, self.policy.layout, now);
        self.simulation.drop_cleared(&o.signals);
        let signals = self.simulation.credited(&o.signals, self.policy.layout);
        self.judge(&signals, now);
        let readable = |signal: Signal| {
            whole || o.usage_for.is_some_and(|read| Figure::of(read) == Figure::of(signal))
        };
        let satisfied = |i: usize| self.tracks[i].satisfied;
        let due = self.choose(&signals, satisfied, readable);
        let due = due.and_then(|i| self.crossing(i, &signals));
        self.sampled.record(&signals, self.policy.semantics);
        self.apply_all(changes);

        if self.evict_over_limits(o, now) {
            return Decision::LocalStorageEvicted; // L-13
        }
        let Some(crossing) = due else {
            return Decision::NothingToReclaim; // L-14
        };
        let signal = crossing.threshold.signal;
        self.commands.push_back(Command::ThresholdMet { signal }); // L-16
        if self.reclaim_first(crossing, o) {
            return Decision::Reclaiming; // L-17
        }
        self.evict_or_say_why(crossing, &o.pods, whole, now)
    }

    /// Goes on after the node freed what it could, and that was not enough.
    pub(in crate::evaluator) fn act_on(
        &mut self,
        crossing: Crossing,
        pods: &[PodObservation],
        summary: bool,
        now: MonoTime,
    ) {
        let decision = self.evict_or_say_why(crossing, pods, summary, now);
        self.kubelet.decide(decision);
    }

    /// L-18 to L-22.
    fn evict_or_say_why(
        &mut self,
        crossing: Crossing,
        pods: &[PodObservation],
        summary: bool,
        now: MonoTime,
    ) -> Decision {
        if !self.kubelet.has_tables() {
            Decision::NoRankingFunction
        } else if pods.is_empty() {
            Decision::NoActivePods
        } else if self.evict_for(crossing, pods, summary, now) {
            Decision::Evicted
        } else {
            Decision::UnableToEvict
        }
    }
}
