//! Who goes first (kubelet spec §4).

use std::{cmp::Ordering, fmt};

use crate::{
    Bar, FsLayout, PodFacts, PodObservation, Resource, Semantics, Signal, figure::usage_of,
};

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
    /// Nothing else differs: by UID, so that the order is always the same.
    Uid,
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
    consumption: Option<i128>,
}

impl Placement {
    fn new(
        index: usize,
        pod: &PodObservation,
        signal: Signal,
        semantics: Semantics,
        layout: FsLayout,
        barred: Option<Bar>,
    ) -> Self {
        let usage = usage_of(signal, &pod.usage, layout);
        let facts = &*pod.facts;
        let deducted = deducted_request(signal.resource(), facts, semantics);
        Self {
            pod: index,
            usage,
            request: request_of(signal.resource(), facts),
            decided_by: None,
            barred,
            priority: facts.priority,
            consumption: usage.map(|usage| i128::from(usage) - i128::from(deducted)),
        }
    }

    fn exceeds_request(&self) -> Option<bool> {
        self.usage.map(|usage| usage > self.request)
    }

    fn compare(&self, other: &Self, by: Comparator, pods: &[PodObservation]) -> Ordering {
        match by {
            Comparator::UsageKnown => other.usage.is_some().cmp(&self.usage.is_some()),
            Comparator::UsageMissing => self.usage.is_some().cmp(&other.usage.is_some()),
            Comparator::ExceedsRequest => other.exceeds_request().cmp(&self.exceeds_request()),
            Comparator::Priority => self.priority.cmp(&other.priority),
            Comparator::Consumption => other.consumption.cmp(&self.consumption),
            // The inode and the index tell apart pods that a faulty source lists twice.
            Comparator::Uid => {
                (&pods[self.pod].facts.id, self.pod).cmp(&(&pods[other.pod].facts.id, other.pod))
            }
        }
    }
}

/// The comparators for a resource (R-1, R-1b, R-1c; R-2 in kubelet semantics).
const fn chain(resource: Resource, semantics: Semantics) -> &'static [Comparator] {
    use Comparator::{Consumption, ExceedsRequest, Priority, Uid, UsageKnown, UsageMissing};
    match (resource, semantics) {
        (Resource::Pids, Semantics::Strict) => &[UsageKnown, Priority, Consumption, Uid],
        (Resource::Pids, Semantics::Kubelet) => &[Priority, UsageMissing, Consumption, Uid],
        (_, Semantics::Strict) => &[UsageKnown, ExceedsRequest, Priority, Consumption, Uid],
        (_, Semantics::Kubelet) => &[UsageMissing, ExceedsRequest, Priority, Consumption, Uid],
    }
}

/// The request that "exceeds" is about: none for inodes and pids (R-1b, R-6).
const fn request_of(resource: Resource, facts: &PodFacts) -> u64 {
    match resource {
        Resource::Memory => facts.memory_request,
        Resource::EphemeralStorage => facts.ephemeral_storage_request,
        Resource::Inodes | Resource::Pids => 0,
    }
}

/// The request taken off the usage. The kubelet takes a request of *bytes* off a number of inodes
/// strict semantics do not (E-26).
const fn deducted_request(resource: Resource, facts: &PodFacts, semantics: Semantics) -> u64 {
    match (resource, semantics) {
        (Resource::Inodes, Semantics::Kubelet) => facts.ephemeral_storage_request,
        _ => request_of(resource, facts),
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

    /// Ranks all `pods` for `signal`, those first that are to go first.
    pub(crate) fn rank(
        &mut self,
        signal: Signal,
        semantics: Semantics,
        layout: FsLayout,
        pods: &[PodObservation],
        bar: impl Fn(&PodObservation) -> Option<Bar>,
    ) {
        self.placements.clear();
        self.placements.extend(
            pods.iter().enumerate().map(|(index, pod)| {
                Placement::new(index, pod, signal, semantics, layout, bar(pod))
            }),
        );
        let chain = chain(signal.resource(), semantics);
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
