//! Carrying out commands as the recorded node does: nothing takes time, and everything is noted.

use evictd_core::{
    Command, EvictionId, EvictionReport, LimitEviction, MonoTime, NodeSignals, Observation,
    PodObservation, PodRef,
};

use crate::{
    drive::Node,
    outcome::{Kill, Outcome},
    policy,
    scenario::Step,
};

impl Node<'_> {
    pub(crate) fn carry_out(
        &mut self,
        command: &Command,
        i: usize,
        step: &Step,
        observation: &Observation,
        outcome: &mut Outcome,
        now: MonoTime,
    ) {
        match command {
            Command::ThresholdMet { signal } => outcome.threshold_met(signal.resource()),
            Command::Reclaim { steps, .. } => {
                steps.iter().for_each(|step| outcome.reclaimed(*step));
                outcome.summary_calls += 1;
                let signals = after_reclaim(step).map(Box::new);
                let reclaimed = evictd_core::Outcome::Reclaimed { signals };
                self.evaluator.handle_outcome(&reclaimed, now);
            }
            Command::Evict(eviction) => {
                let gate = self.evaluator.policy().kubelet.pod_level_resources;
                let pod = find(observation, &eviction.pod);
                let report = |pod| EvictionReport::of_pressure(eviction, pod, gate);
                let told = pod.map(|pod| (pod, report(pod)));
                let told = told.map(|(pod, report)| Kill {
                    facts: &pod.facts,
                    override_seconds: eviction.grace_override_seconds,
                    report,
                    metric: eviction.signal.name(),
                    returned_error: self.fails_to_die(&eviction.pod),
                });
                self.kill(told.as_ref(), &eviction.pod, eviction.id, i, outcome, now);
            }
            Command::EvictOverLimit(eviction) => {
                let told = find(observation, &eviction.pod).map(|pod| Kill {
                    facts: &pod.facts,
                    override_seconds: LimitEviction::GRACE_OVERRIDE_SECONDS,
                    report: EvictionReport::of_limit(eviction),
                    metric: eviction.limit.metric(),
                    returned_error: self.fails_to_die(&eviction.pod),
                });
                self.kill(told.as_ref(), &eviction.pod, eviction.id, i, outcome, now);
            }
            Command::SetCondition { .. }
            | Command::Released { .. }
            | Command::ReportLogWriter(_)
            | Command::UnableToEvict { .. } => {}
        }
    }

    /// The recorded pod; its cgroup's inode tells which.
    fn index(&self, pod: &PodRef) -> usize {
        usize::try_from(pod.cgroup_inode.saturating_sub(1)).unwrap_or(usize::MAX)
    }

    fn fails_to_die(&self, pod: &PodRef) -> bool {
        self.scenario.pods.get(self.index(pod)).is_some_and(|pod| pod.kill_error)
    }

    /// The kubelet is called again in the next step whatever became of the pod, so its clean-up is
    /// said to be over at once.
    fn kill(
        &mut self,
        told: Option<&Kill<'_>>,
        pod: &PodRef,
        id: EvictionId,
        i: usize,
        outcome: &mut Outcome,
        now: MonoTime,
    ) {
        if let Some(told) = told {
            outcome.killed(told);
        }
        let index = self.index(pod);
        if let (Some(recorded), Some(dead_from)) =
            (self.scenario.pods.get(index), self.dead_from.get_mut(index))
        {
            let never = recorded.sticky_steps < 0;
            let from = i as i64 + 1 + recorded.sticky_steps;
            dead_from.get_or_insert(if never { i64::MAX } else { from });
        }
        for became in [evictd_core::Outcome::Killed { id }, evictd_core::Outcome::Emptied { id }] {
            self.evaluator.handle_outcome(&became, now);
        }
    }
}

fn find<'a>(observation: &'a Observation, pod: &PodRef) -> Option<&'a PodObservation> {
    observation.pods.iter().find(|observed| observed.facts.id == *pod)
}

/// What the node says once something was freed.
fn after_reclaim(step: &Step) -> Option<NodeSignals> {
    let node = step.node_after_gc.as_ref().unwrap_or(&step.node);
    (!step.summary_error_after_gc).then(|| policy::node_stats(node).signals())
}
