//! What an evaluator decided, as people compare it.

use std::{sync::Arc, time::Duration};

use evictd_core::{Command, Evaluator, EvictionReason, Observation, PodRef, Signal};
use serde::Serialize;

use crate::rank::Place;

/// One decision of a recorded or replayed evaluator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Since the start of the trace.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: Duration,
    /// What was decided.
    #[serde(flatten)]
    pub what: What,
    /// An eviction: the victim's place, if pods were ranked for it.
    pub place: Option<Place>,
}

/// See [`Decision::what`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum What {
    /// A pod is evicted for a threshold that is met, or will be soon.
    Evict {
        /// `threshold`, or `log-writer` for one that will be met.
        reason: &'static str,
        /// The signal.
        signal: Signal,
        /// `namespace/name`, or the UID where nothing else is known.
        pod: Arc<str>,
        /// True for a hard threshold.
        hard: bool,
        /// What was left.
        available: i64,
        /// The threshold.
        threshold: i64,
    },
    /// A pod is evicted for a limit of its own.
    EvictOverLimit {
        /// As above.
        pod: Arc<str>,
        /// The kubelet's text.
        limit: String,
    },
    /// A container that writes its log too fast is named.
    LogWriter {
        /// As above.
        pod: Arc<str>,
        /// The container.
        container: Arc<str>,
        /// The signal whose threshold will be met.
        signal: Signal,
        /// Bytes per second.
        rate: u64,
        /// When the threshold will be met.
        crosses_in_ms: u64,
        /// What is done about it.
        action: &'static str,
    },
    /// A threshold is met and nobody may be evicted.
    UnableToEvict {
        /// The signal.
        signal: Signal,
    },
    /// A node condition changes.
    Condition {
        /// Its name.
        condition: &'static str,
        /// Its new status.
        status: bool,
    },
}

impl Decision {
    /// The decision that a command tells, if it tells one. `evaluator` gave it just now on
    /// `observation`; without them the victim's place stays unknown.
    pub(super) fn of(
        command: &Command,
        at: Duration,
        observation: Option<&Observation>,
        evaluator: Option<&Evaluator>,
    ) -> Option<Self> {
        let name = |pod: &PodRef| name_of(pod, observation);
        let what = match command {
            Command::Evict(eviction) => What::Evict {
                reason: eviction.reason.name(),
                signal: eviction.signal,
                pod: name(&eviction.pod),
                hard: eviction.hard,
                available: eviction.available,
                threshold: eviction.quantity,
            },
            Command::EvictOverLimit(eviction) => What::EvictOverLimit {
                pod: name(&eviction.pod),
                limit: eviction.limit.to_string().trim_end().to_owned(),
            },
            Command::ReportLogWriter(report) => What::LogWriter {
                pod: name(&report.pod),
                container: report.container.clone(),
                signal: report.signal,
                rate: report.rate,
                crosses_in_ms: u64::try_from(report.crosses_in.as_millis()).unwrap_or(u64::MAX),
                action: report.action.name(),
            },
            Command::UnableToEvict { signal } => What::UnableToEvict { signal: *signal },
            Command::SetCondition { condition, status } => {
                What::Condition { condition: condition.name(), status: *status }
            }
            Command::Reclaim { .. } | Command::ThresholdMet { .. } | Command::Released { .. } => {
                return None;
            }
        };
        let place = match (command, observation, evaluator) {
            // Pods are ranked for a threshold that is met, on an observation that has their figures.
            (Command::Evict(eviction), Some(seen), Some(evaluator))
                if eviction.reason == EvictionReason::Threshold && seen.usage_for.is_some() =>
            {
                place(&eviction.pod, eviction.signal, seen, evaluator)
            }
            _ => None,
        };
        Some(Self { at, what, place })
    }

    /// Two decisions are the same when they are made at the same time, of the same sort, for the same
    /// signal and pod. The numbers may differ: they are what is tried.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = match (&self.what, &other.what) {
            (
                What::Evict { reason, signal, pod, hard, .. },
                What::Evict { reason: reason2, signal: signal2, pod: pod2, hard: hard2, .. },
            ) => (reason, signal, pod, hard) == (reason2, signal2, pod2, hard2),
            (a, b) => a == b,
        };
        same && self.at == other.at
    }
}

fn name_of(pod: &PodRef, observation: Option<&Observation>) -> Arc<str> {
    let mut pods = observation.into_iter().flat_map(|seen| &seen.pods);
    match pods.find(|seen| seen.facts.id == *pod) {
        Some(seen) => format!("{}/{}", seen.facts.namespace, seen.facts.name).into(),
        None => pod.uid.clone(),
    }
}

fn place(
    victim: &PodRef,
    signal: Signal,
    seen: &Observation,
    evaluator: &Evaluator,
) -> Option<Place> {
    let ranking = evaluator.ranking();
    let is_victim = |pod: usize| seen.pods.get(pod).is_some_and(|pod| pod.facts.id == *victim);
    let index = ranking.iter().position(|at| is_victim(at.pod))?;
    Place::of(index, ranking, signal, &seen.pods)
}

fn seconds<S: serde::Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.as_secs_f64())
}
