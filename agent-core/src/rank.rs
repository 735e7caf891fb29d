//! Who goes first (kubelet spec §4).

use std::{cmp::Ordering, fmt};

use crate::{
    Bar, FsLayout, PodObservation, Policy, Resource, Semantics, Signal, Summary, demand::Demand,
};

/// Nano units in one unit, as in [`crate::Quantity::nanos`].
const NANOS: i128 = 1_000_000_000;

/// One step of a ranking; the first that tells two pods apart decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// Strict semantics: pods whose usage is known before those whose is not (E-23).
    UsageKnown,
    /// Kubelet semantics: pods whose usage is unknown before those whose is known.
    UsageMissing,
    /// Pods that use more than they request before those that do not.
    ExceedsRequest,
    /// Lower priority first.
    Priority,
    /// Larger usage above the request first.
    Consumption,
    /// Strict semantics: nothing else differs: by UID, so that the order is always the same.
    Uid,
    /// Kubelet semantics: nothing else differs, so that pods stay as they are listed.
    Listed,
}

impl Comparator {
    /// The name used in decision records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UsageKnown => "usage known",
            Self::UsageMissing => "usage missing",
            Self::ExceedsRequest => "exceeds request",
            Self::Priority => "priority",
            Self::Consumption => "usage above request",
            Self::Uid => "uid",
            Self::Listed => "order of listing",
        }
    }
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A pod's place in the ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Index into the pods of the observation that was ranked.
    pub pod: usize,
    /// What it uses, in the signal's unit.
    pub usage: Option<u64>,
    /// What it requests, in the signal's unit; 0 where requests play no part.
    pub request: u64,
    /// What put it before the next pod; `None` for the last.
    pub decided_by: Option<Comparator>,
    /// Why it is passed over, if it is.
    pub barred: Option<Bar>,
    priority: i32,
    exceeds: Option<bool>,
    /// Usage beyond the request in nano units.
    excess: Option<i128>,
}

/// What pods are ranked for, and by whose rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RankBy {
    pub(crate) signal: Signal,
    pub(crate) semantics: Semantics,
    pub(crate) layout: FsLayout,
    /// Pods carry the kubelet's statistics.
    pub(crate) summary: bool,
    /// The feature gate `PodLevelResources`.
    pub(crate) pod_level_resources: bool,
}

impl RankBy {
    pub(crate) const fn of(policy: &Policy, signal: Signal, summary: bool) -> Self {
        Self {
            signal,
            semantics: policy.semantics,
            layout: policy.layout,
            summary,
            pod_level_resources: policy.kubelet.pod_level_resources,
        }
    }
}

/// Who would go for `signal`, those first that would go first, as the evaluator ranks them. Barred are
/// those whom manifest or cgroup keeps from being evicted; evictions under way are not known here.
pub fn rank_pods(
    policy: &Policy,
    signal: Signal,
    pods: &[PodObservation],
    summary: Summary,
) -> Vec<Placement> {
    let mut ranking = Ranking::default();
    let by = RankBy::of(policy, signal, summary == Summary::Whole);
    ranking.rank(by, pods, |pod| Bar::of(&pod.facts));
    ranking.placements
}

impl Placement {
    /// `spec.priority`; absent is 0.
    pub const fn priority(&self) -> i32 {
        self.priority
    }

    /// Whether more is used than requested; `None` when usage is unknown.
    pub const fn exceeds(&self) -> Option<bool> {
        self.exceeds
    }

    /// What is used beyond the request, in the signal's unit, fractions cut off; below zero when less
    /// is used than requested, `None` when usage is unknown.
    pub fn above_request(&self) -> Option<i64> {
        let units = self.excess? / NANOS;
        Some(i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX }))
    }

    pub(crate) const fn excess_nanos(&self) -> Option<i128> {
        self.excess
    }

    fn new(index: usize, pod: &PodObservation, by: RankBy, barred: Option<Bar>) -> Self {
        let demand = Demand::of(pod, by);
        Self {
            pod: index,
            usage: demand.usage.map(|usage| u64::try_from(usage).unwrap_or(0)),
            request: demand.request_units(),
            decided_by: None,
            barred,
            priority: pod.facts.priority,
            exceeds: demand.exceeds(),
            excess: demand.excess(),
        }
    }

    fn compare(&self, other: &Self, by: Comparator, pods: &[PodObservation]) -> Ordering {
        match by {
            Comparator::UsageKnown => other.usage.is_some().cmp(&self.usage.is_some()),
            Comparator::UsageMissing => self.usage.is_some().cmp(&other.usage.is_some()),
            Comparator::ExceedsRequest => other.exceeds.cmp(&self.exceeds),
            Comparator::Priority => self.priority.cmp(&other.priority),
            Comparator::Consumption => other.excess.cmp(&self.excess),
            // The inode and the index tell apart pods that a faulty source lists twice.
            Comparator::Uid => {
                (&pods[self.pod].facts.id, self.pod).cmp(&(&pods[other.pod].facts.id, other.pod))
            }
            Comparator::Listed => self.pod.cmp(&other.pod),
        }
    }
}

/// The comparators for a resource (R-1, R-1b, R-1c; R-2 in kubelet semantics).
const fn chain(resource: Resource, semantics: Semantics) -> &'static [Comparator] {
    use Comparator::{
        Consumption, ExceedsRequest, Listed, Priority, Uid, UsageKnown, UsageMissing,
    };
    match (resource, semantics) {
        (Resource::Pids, Semantics::Strict) => &[UsageKnown, Priority, Consumption, Uid],
        (Resource::Pids, Semantics::Kubelet) => &[Priority, UsageMissing, Consumption, Listed],
        (_, Semantics::Strict) => &[UsageKnown, ExceedsRequest, Priority, Consumption, Uid],
        (_, Semantics::Kubelet) => &[UsageMissing, ExceedsRequest, Priority, Consumption, Listed],
    }
}

/// A ranking that keeps its memory from one evaluation to the next.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    placements: Vec<Placement>,
}

impl Ranking {
    /// Forgets a ranking whose places point into pods that are not at hand any more.
    pub(crate) fn clear(&mut self) {
        self.placements.clear();
    }

    /// Ranks all `pods`, those first that are to go first.
    pub(crate) fn rank(
        &mut self,
        by: RankBy,
        pods: &[PodObservation],
        bar: impl Fn(&PodObservation) -> Option<Bar>,
    ) {
        self.placements.clear();
        let places = pods.iter().enumerate();
        self.placements.extend(places.map(|(index, pod)| Placement::new(index, pod, by, bar(pod))));
        let chain = chain(by.signal.resource(), by.semantics);
        let decide = |a: &Placement, b: &Placement| {
            chain.iter().map(|&by| (by, a.compare(b, by, pods))).find(|(_, order)| order.is_ne())
        };
        self.placements
            .sort_unstable_by(|a, b| decide(a, b).map_or(Ordering::Equal, |(_, order)| order));
        for next in 1..self.placements.len() {
            let decided = decide(&self.placements[next - 1], &self.placements[next]);
            self.placements[next - 1].decided_by = decided.map(|(by, _)| by);
        }
    }

    /// The first that nothing keeps from being evicted.
    pub(crate) fn first_evictable(&self) -> Option<Placement> {
        self.placements.iter().find(|p| p.barred.is_none()).copied()
    }

    /// True when waiting a moment may make a pod evictable.
    pub(crate) fn is_waiting(&self) -> bool {
        self.placements.iter().any(|p| p.barred.is_some_and(Bar::is_passing))
    }

    pub(crate) fn placements(&self) -> &[Placement] {
        &self.placements
    }
}

#[cfg(test)]
mod tests;
