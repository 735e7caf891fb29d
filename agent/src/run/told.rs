//! What is told of an eviction, once it is done.

use std::sync::Arc;

use evictd_core::{
    Evaluator, Eviction, EvictionMessage, EvictionReason, EvictionReport, LimitEviction, Outcome,
    Placement, PodObservation, PodRef, PodStats, PodUsage, RefusedReason,
};

use super::{
    inbox::Wake,
    observe::Observer,
    record::{self, PodName},
};
use crate::{
    actuate::{Evicted, Order},
    pods::Pod,
    rank::Place,
    sample::ContainersMemory,
};

/// Places of the ranking in a record, beside the victim's.
const PLACES: usize = 5;

/// What was done, and why evictd looked.
pub struct Deed<'a> {
    /// `observe` or `enforce`.
    pub mode: &'static str,
    /// What was to be done.
    pub order: &'a Order,
    /// What came of it.
    pub evicted: &'a Evicted,
    /// What made evictd look.
    pub wake: Wake,
}

/// Of an eviction by threshold, with the message of its [`report`].
pub fn pressure(
    deed: &Deed<'_>,
    eviction: &Eviction,
    message: String,
    evaluator: &Evaluator,
    observer: &Observer,
) -> record::Eviction {
    let (container, rate, crosses_in) = match &eviction.reason {
        EvictionReason::Threshold => (None, None, None),
        EvictionReason::LogWriter { container, rate, crosses_in } => {
            (Some(container.clone()), Some(*rate), Some(crosses_in.as_millis() as u64))
        }
    };
    record::Eviction {
        signal: eviction.signal.name(),
        hard: eviction.hard,
        reason: eviction.reason.name(),
        container,
        log_bytes_per_second: rate,
        time_to_threshold_ms: crosses_in,
        fill_rate_per_second: evaluator.forecast().rate(eviction.signal),
        available: eviction.available,
        quantity: eviction.quantity,
        expected_release: eviction.expected_release,
        observed_ns: eviction.observed_at.as_nanos(),
        decided_ns: eviction.decided_at.as_nanos(),
        grace_ms: eviction.grace.as_millis() as u64,
        message,
        rank: places(evaluator.ranking(), eviction, &observer.observation().pods),
        ..common(deed, observer)
    }
}

/// Of an eviction over a limit of the pod's own local storage (P-5).
pub fn limit(
    deed: &Deed<'_>,
    eviction: &LimitEviction,
    message: String,
    observer: &Observer,
) -> record::Eviction {
    let limit = eviction.limit.quantity().value();
    record::Eviction {
        signal: eviction.limit.metric(),
        available: limit.saturating_sub(eviction.used),
        quantity: limit,
        expected_release: u64::try_from(eviction.used).unwrap_or_default(),
        observed_ns: eviction.decided_at.as_nanos(),
        decided_ns: eviction.decided_at.as_nanos(),
        message,
        ..common(deed, observer)
    }
}

/// What both have in common; what differs is left empty.
fn common(deed: &Deed<'_>, observer: &Observer) -> record::Eviction {
    let Deed { mode, order, evicted, wake } = deed;
    record::Eviction {
        id: order.id.0,
        mode,
        signal: "",
        hard: true,
        reason: "limit",
        container: None,
        log_bytes_per_second: None,
        time_to_threshold_ms: None,
        fill_rate_per_second: 0,
        name: name_of(&order.pod, observer),
        uid: order.pod.uid.clone(),
        cgroup_inode: order.pod.cgroup_inode,
        available: 0,
        quantity: 0,
        expected_release: 0,
        woken_by: wake.by,
        event_ns: wake.event_ns,
        observed_ns: 0,
        decided_ns: 0,
        kill_issued_ns: evicted.killed.map(|killed| killed.issued_at.as_nanos()),
        method: evicted.killed.map(|killed| killed.method.name()),
        grace_ms: 0,
        outcome: outcome_name(&evicted.outcome),
        detail: evicted.error.as_ref().map(ToString::to_string),
        message: String::new(),
        filled_by: None,
        node_reclaim: None,
        rank: Vec::new(),
    }
}

/// O-1 to O-9, from what was decided on and from the memory of the victim's containers just before the
/// kill.
pub fn report(
    eviction: &Eviction,
    memory: Option<ContainersMemory>,
    evaluator: &Evaluator,
    observer: &Observer,
) -> EvictionReport {
    let pod = observer.index().by_uid(&eviction.pod.uid);
    let observed = observed(&eviction.pod, observer);
    let usage = observed.map(|pod| pod.usage).unwrap_or_default();
    let stats = pod.zip(memory).map(|(pod, memory)| {
        Arc::new(PodStats {
            memory_working_set: usage.memory_working_set,
            containers: memory.stats(pod),
            ..PodStats::default()
        })
    });
    let facts = observed.map(|pod| &pod.facts).or_else(|| pod.map(Pod::facts));
    let Some(facts) = facts.cloned() else {
        let message = EvictionMessage(eviction).to_string();
        return EvictionReport { message, disruption_target: true, ..EvictionReport::default() };
    };
    let victim = PodObservation { facts, usage: PodUsage::default(), stats };
    let pod_level = evaluator.policy().kubelet.pod_level_resources;
    EvictionReport::of_pressure(eviction, &victim, pod_level)
}

/// The victim as it was decided on, if pods were looked at.
fn observed<'o>(pod: &PodRef, observer: &'o Observer) -> Option<&'o PodObservation> {
    observer.observation().pods.iter().find(|observed| observed.facts.id == *pod)
}

/// The victim's name: from the observation that was decided on, since the index may have changed.
pub fn name_of(pod: &PodRef, observer: &Observer) -> PodName {
    let listed = || observer.index().by_uid(&pod.uid).map(Pod::facts);
    match observed(pod, observer).map(|pod| &pod.facts).or_else(listed) {
        Some(facts) => PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() },
        None => PodName { namespace: "".into(), pod: pod.uid.clone() },
    }
}

/// The name of an outcome in records.
pub const fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Killed { .. } => "killed",
        Outcome::Observed { .. } => "observed",
        Outcome::Refused { reason: RefusedReason::Gone, .. } => "gone",
        Outcome::Refused { reason: RefusedReason::Reused, .. } => "reused",
        Outcome::Refused { reason: RefusedReason::Failed, .. } => "failed",
        Outcome::Refused { reason: RefusedReason::Disruption { .. }, .. } => "disruption-budget",
        Outcome::Refused { reason: RefusedReason::Unanswered { .. }, .. } => "unanswered",
        Outcome::Asked { .. } => "asked",
        Outcome::Accepted { .. } => "accepted",
        Outcome::Emptied { .. } => "emptied",
        Outcome::Reclaimed { .. } => "reclaimed",
    }
}

/// The first places of a ranking and the victim's; none for a log writer, for whom nobody is ranked.
fn places(ranking: &[Placement], eviction: &Eviction, pods: &[PodObservation]) -> Vec<Place> {
    if eviction.reason != EvictionReason::Threshold {
        return Vec::new();
    }
    let is_victim =
        |at: &Placement| pods.get(at.pod).is_some_and(|pod| pod.facts.id == eviction.pod);
    let wanted = |(index, at): &(usize, &Placement)| *index < PLACES || is_victim(at);
    let shown = ranking.iter().enumerate().filter(wanted);
    shown.filter_map(|(index, _)| Place::of(index, ranking, eviction.signal, pods)).collect()
}
