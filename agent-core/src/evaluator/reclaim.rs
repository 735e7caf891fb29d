//! Freeing what the node itself holds before a pod is evicted for a disk (L-17).

use std::time::Duration;

use super::{Evaluator, choice::Crossing};
use crate::{
    Command, Decision, MonoTime, NodeReclaim, NodeSignals, Observation, PodObservation, Resource,
    Semantics, Summary, Threshold, disks::reclaim_steps,
};

/// How long freeing may take before it is given up: the next evaluation starts anew.
const RECLAIM_DEADLINE: Duration = Duration::from_secs(120);

/// An evaluation that goes on once the node has freed what it can.
#[derive(Debug)]
pub(super) struct Reclaiming {
    crossing: Crossing,
    /// The pods as they were then: who goes is decided on the observation that crossed.
    pods: Vec<PodObservation>,
    summary: bool,
    since: MonoTime,
}

impl Reclaiming {
    pub(super) fn deadline(&self) -> MonoTime {
        self.since.after(RECLAIM_DEADLINE)
    }

    pub(super) fn is_overdue(&self, now: MonoTime) -> bool {
        now >= self.deadline()
    }

    pub(super) const fn resource(&self) -> Resource {
        self.crossing.threshold.signal.resource()
    }
}

impl Evaluator {
    /// Asks the node to free something for the crossing, if it can and the policy wants it; the
    /// evaluation then goes on with [`Evaluator::resume`].
    pub(super) fn reclaim_first(&mut self, crossing: Crossing, o: &Observation) -> bool {
        let signal = crossing.threshold.signal;
        let wanted = match self.policy.semantics {
            Semantics::Strict => self.policy.node_reclaim == NodeReclaim::First,
            Semantics::Kubelet => self.kubelet.has_tables(),
        };
        let steps = reclaim_steps(self.policy.layout, signal);
        if !wanted || steps.is_empty() {
            return false;
        }
        self.commands.push_back(Command::Reclaim { signal, steps });
        self.reclaiming = Some(Reclaiming {
            crossing,
            pods: o.pods.clone(),
            summary: o.summary == Summary::Whole,
            since: self.now,
        });
        true
    }

    /// The node has freed what it can; `after` are the signals since, `None` if they are unknown.
    pub(super) fn resume(&mut self, after: Option<&NodeSignals>, now: MonoTime) {
        let Some(reclaiming) = self.reclaiming.take() else {
            return;
        };
        let after = after.map(|raw| self.simulation.credited(raw, self.policy.layout));
        if after.is_some_and(|signals| self.is_enough(&reclaiming, &signals)) {
            self.kubelet.decide(Decision::ReclaimedWithoutEviction);
            return;
        }
        match self.policy.semantics {
            Semantics::Strict => {
                self.evict_for(reclaiming.crossing, &reclaiming.pods, false, now);
            }
            Semantics::Kubelet => {
                self.act_on(reclaiming.crossing, &reclaiming.pods, reclaiming.summary, now);
            }
        }
    }

    /// The kubelet asks whether any threshold at all is met or within its minimum reclaim, one in its
    /// grace period or never crossed included; strict semantics ask for the signal that was to be
    /// relieved (E-21, E-22). A signal that is unknown counts as relieved.
    fn is_enough(&self, reclaiming: &Reclaiming, signals: &NodeSignals) -> bool {
        let is_clear = |threshold: &Threshold| {
            let seen = signals.get(threshold.signal);
            seen.is_none_or(|seen| !threshold.is_unresolved(seen))
        };
        match self.policy.semantics {
            Semantics::Strict => is_clear(&reclaiming.crossing.threshold),
            Semantics::Kubelet => {
                let mut listed = self.policy.thresholds.iter().zip(&self.tracks);
                listed.all(|(threshold, track)| track.lingering || is_clear(threshold))
            }
        }
    }
}
