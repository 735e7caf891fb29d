//! Playing a scenario against the evaluator, with the shell's part of the protocol.

use std::{collections::BTreeMap, sync::Arc};

use evictd_core::{
    Command, DiskInfo, Evaluator, EvictionId, EvictionReport, LimitEviction, MonoTime, NodeSignals,
    Observation, PodFacts, PodObservation, PodRef, PodStats, Signal, Summary,
};

use crate::{
    compare::{self, Mismatch},
    outcome::{Kill, Outcome},
    pods, policy,
    report::Failure,
    scenario::{Pod, Scenario, Step},
};

/// Plays `scenario`; `Err` tells of the first step that went another way than the kubelet.
pub(crate) fn check(scenario: &Scenario) -> Result<(), Failure> {
    let failed = |step, mismatch| Failure::new(&scenario.id, &scenario.name, step, mismatch);
    let broken = |text: String| failed(None, Mismatch::Broken(text));
    let policy = policy::policy(&scenario.config).map_err(|e| broken(e.to_string()))?;
    let mut node = Node::new(scenario, policy).map_err(broken)?;
    let mut state = 0;
    for (i, step) in scenario.steps.iter().enumerate() {
        let produced = node.step(i, step);
        let alternatives = scenario.expected.get(i).and_then(|states| states.get(state));
        let alternatives = alternatives.map_or(&[][..], Vec::as_slice);
        state = compare::find(alternatives, &produced, &node.metric)
            .map_err(|mismatch| failed(Some((i, step.t)), mismatch))?;
    }
    Ok(())
}

/// The recorded node with an evaluator on it.
struct Node<'a> {
    scenario: &'a Scenario,
    evaluator: Evaluator,
    facts: Vec<Arc<PodFacts>>,
    stats: BTreeMap<String, Arc<PodStats>>,
    /// By pod: the step from which it is gone.
    dead_from: Vec<Option<i64>>,
    metric: String,
}

impl<'a> Node<'a> {
    fn new(scenario: &'a Scenario, policy: evictd_core::Policy) -> Result<Self, String> {
        let facts = scenario.pods.iter().enumerate();
        let facts = facts.map(|(i, pod)| pods::facts(pod, i).map(Arc::new));
        Ok(Self {
            scenario,
            evaluator: Evaluator::new(policy, policy::at(0.0)),
            facts: facts.collect::<Result<_, _>>().map_err(|e| e.to_string())?,
            stats: BTreeMap::new(),
            dead_from: vec![None; scenario.pods.len()],
            metric: String::new(),
        })
    }

    /// One evaluation; what came of it, as recorded.
    fn step(&mut self, i: usize, step: &Step) -> serde_json::Value {
        for (name, stats) in &step.pods {
            match stats {
                Some(stats) => {
                    self.stats.insert(name.clone(), Arc::new(pods::stats(stats)));
                }
                None => {
                    self.stats.remove(name);
                }
            }
        }
        let now = policy::at(step.t);
        let mut outcome = Outcome::default();
        let observation = self.observe(i, step);
        if self.ask_disks(step, &mut outcome) {
            outcome.summary_calls += u32::from(!self.evaluator.is_disabled());
            self.evaluator.handle_observation(&observation, now);
            while let Some(command) = self.evaluator.poll_command() {
                self.carry_out(&command, i, step, &observation, &mut outcome, now);
            }
        }
        self.metric = outcome.metric();
        let ranked = self.evaluator.ranking().iter();
        let ranked: Vec<&str> =
            ranked.map(|place| &*observation.pods[place.pod].facts.name).collect();
        outcome.finish(&self.evaluator, &ranked)
    }

    /// False when the evaluation ends with that.
    fn ask_disks(&mut self, step: &Step, outcome: &mut Outcome) -> bool {
        if !self.evaluator.wants_disk_info() {
            return true;
        }
        let answer = |answer, fails: bool, text: &str| {
            if fails { Err(text.to_owned()) } else { Ok(answer) }
        };
        let disks = &self.scenario.node;
        let info = DiskInfo {
            dedicated_imagefs: answer(
                disks.dedicated_imagefs,
                step.disk_info_error,
                "disk info error",
            ),
            dedicated_containerfs: answer(
                disks.dedicated_containerfs,
                step.containerfs_info_error,
                "containerfs info error",
            ),
        };
        let result = self.evaluator.handle_disk_info(&info);
        outcome.error = result.err().map(|error| error.to_string());
        outcome.error.is_none()
    }

    fn observe(&self, i: usize, step: &Step) -> Observation {
        let active = |(j, pod): &(usize, &Pod)| {
            let dead = self.dead_from[*j].is_some_and(|from| i as i64 >= from);
            pod.active_from_step <= i && pod.active_until_step.is_none_or(|end| i < end) && !dead
        };
        let pods = self.scenario.pods.iter().enumerate().filter(active);
        let observed = pods.map(|(j, pod)| PodObservation {
            facts: self.facts[j].clone(),
            usage: evictd_core::PodUsage::default(),
            stats: self.stats.get(&pod.name).cloned(),
        });
        Observation {
            signals: policy::node_stats(&step.node).signals(),
            usage_for: Some(Signal::MemoryAvailable),
            pods: observed.collect(),
            summary: if step.summary_error { Summary::Failed } else { Summary::Whole },
        }
    }

    fn carry_out(
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
