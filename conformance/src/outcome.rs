//! What the evaluator did in one step, in the words of the recordings.

use evictd_core::{
    Applicant, Evaluator, EvictionReport, NodeCondition, PodFacts, Qos, ReclaimStep, Resource,
    Signal,
};
use serde_json::{Value, json};

/// Gathers what happens in one step.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    evicted: Vec<Value>,
    kills: Vec<Value>,
    events: Vec<Value>,
    gc: Vec<&'static str>,
    metric: Vec<String>,
    pub(crate) summary_calls: u32,
    pub(crate) error: Option<String>,
}

/// An eviction as it is told.
pub(crate) struct Kill<'a> {
    pub(crate) facts: &'a PodFacts,
    pub(crate) override_seconds: i64,
    pub(crate) report: EvictionReport,
    pub(crate) metric: &'a str,
    pub(crate) returned_error: bool,
}

impl Outcome {
    /// L-16.
    pub(crate) fn threshold_met(&mut self, resource: Resource) {
        self.events.push(json!({
            "object": "Node/node",
            "type": "Warning",
            "reason": "EvictionThresholdMet",
            "message": format!("Attempting to reclaim {resource}"),
        }));
    }

    pub(crate) fn reclaimed(&mut self, step: ReclaimStep) {
        self.gc.push(match step {
            ReclaimStep::DeadContainers => "container",
            ReclaimStep::UnusedImages => "image",
        });
    }

    /// K-8: the event comes before the kill.
    pub(crate) fn killed(&mut self, kill: &Kill<'_>) {
        let Kill { facts, report, .. } = kill;
        let message = &report.message;
        let annotations: serde_json::Map<_, _> = report
            .annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let condition = report.disruption_target.then(|| {
            json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "TerminationByKubelet",
                "message": message,
            })
        });
        self.events.push(json!({
            "object": format!("Pod/{}/{}", facts.namespace, facts.name),
            "type": "Warning",
            "reason": "Evicted",
            "message": message,
            "annotations": annotations,
        }));
        self.kills.push(json!({
            "pod": &*facts.name,
            "grace_period_override_s": kill.override_seconds,
            "is_evicted": true,
            "phase": "Failed",
            "reason": "Evicted",
            "message": message,
            "conditions": condition.as_slice(),
            "returned_error": kill.returned_error,
        }));
        self.evicted.push(json!(&*facts.name));
        self.metric.push(kill.metric.to_owned());
    }

    /// How evictions are counted: `signal=n`, comma-joined (O-11).
    pub(crate) fn metric(&self) -> String {
        let mut signals = self.metric.clone();
        signals.sort();
        signals.dedup();
        let count = |signal: &String| self.metric.iter().filter(|other| *other == signal).count();
        let counted = signals.iter().map(|signal| format!("{signal}={}", count(signal)));
        counted.collect::<Vec<_>>().join(",")
    }

    /// The whole outcome, with the state of the evaluator after the step. `rank`: names of the ranked
    /// pods.
    pub(crate) fn finish(&self, evaluator: &Evaluator, rank: &[&str]) -> Value {
        let mut met: Vec<_> =
            evaluator.thresholds_met().map(|t| name_threshold(t.signal, t.is_hard())).collect();
        met.sort();
        let mut conditions: Vec<_> =
            evaluator.conditions().iter().map(NodeCondition::name).collect();
        conditions.sort_unstable();
        let rejected = PROBES.iter().filter(|(_, pod)| !evaluator.admit(*pod));
        json!({
            "decision": evaluator.decision().name(),
            "error": self.error,
            "conditions": conditions,
            "admit_rejected": rejected.map(|(name, _)| *name).collect::<Vec<_>>(),
            "evicted": self.evicted,
            "kills": self.kills,
            "events": self.events,
            "gc": self.gc,
            "summary_calls": self.summary_calls,
            "rank": rank,
            "thresholds_met": met,
        })
    }
}

fn name_threshold(signal: Signal, hard: bool) -> String {
    format!("{signal}:{}", if hard { "hard" } else { "soft" })
}

const fn probe(qos: Qos, is_critical: bool, tolerates_memory_pressure: bool) -> Applicant {
    Applicant { qos, is_critical, tolerates_memory_pressure }
}

/// The pods that ask for admission after each step.
const PROBES: [(&str, Applicant); 6] = [
    ("best_effort", probe(Qos::BestEffort, false, false)),
    ("best_effort_tolerating_memory_pressure", probe(Qos::BestEffort, false, true)),
    ("burstable", probe(Qos::Burstable, false, false)),
    ("guaranteed", probe(Qos::Guaranteed, false, false)),
    ("critical_priority", probe(Qos::BestEffort, true, false)),
    ("static", probe(Qos::BestEffort, true, false)),
];
