//! Playing a scenario against the evaluator, with the shell's part of the protocol.

use std::{collections::BTreeMap, sync::Arc};

use evictd_core::{
    DiskInfo, Evaluator, Observation, PodFacts, PodObservation, PodStats, Signal, Summary,
};

use crate::{
    compare::{self, Mismatch},
    outcome::Outcome,
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
pub(crate) struct Node<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) evaluator: Evaluator,
    pub(crate) facts: Vec<Arc<PodFacts>>,
    pub(crate) stats: BTreeMap<String, Arc<PodStats>>,
    /// By pod: the step from which it is gone.
    pub(crate) dead_from: Vec<Option<i64>>,
    pub(crate) metric: String,
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
            ..Observation::default()
        }
    }
}
