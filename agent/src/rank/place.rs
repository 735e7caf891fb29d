//! One pod's place in a ranking, as records and `evictd rank` tell it.

use std::sync::Arc;

use evictd_core::{Bar, Comparator, Placement, PodObservation, Resource, Signal};
use serde::Serialize;

/// A pod's place in the ranking, and what put it there. Amounts are in the signal's unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub place: usize,
    /// `metadata.namespace`
    pub namespace: Arc<str>,
    /// `metadata.name`
    pub pod: Arc<str>,
    /// `spec.priority`.
    pub priority: i32,
    /// Usage of the resource; `null` is unknown.
    pub usage: Option<u64>,
    /// Request of the resource; `null` where there is no such notion.
    pub request: Option<u64>,
    /// Whether more is used than requested; `null` if unknown or there is no such notion.
    pub exceeds: Option<bool>,
    /// Usage beyond the request; `null` is unknown.
    pub above_request: Option<i64>,
    /// The comparator that put it before the next; `last` for the last.
    pub decided_by: &'static str,
    /// The same with the numbers of both; `null` for the last.
    pub why: Option<String>,
    /// Why it may not be evicted, if it may not.
    pub passed_over: Option<&'static str>,
}

impl Place {
    /// The place of that index in a ranking of `pods` for `signal`.
    pub fn of(
        index: usize,
        ranking: &[Placement],
        signal: Signal,
        pods: &[PodObservation],
    ) -> Option<Self> {
        let at = ranking.get(index)?;
        let facts = &pods.get(at.pod)?.facts;
        let has_request =
            matches!(signal.resource(), Resource::Memory | Resource::EphemeralStorage);
        let why = at.explain(ranking.get(index + 1), signal);
        Some(Self {
            place: index + 1,
            namespace: facts.namespace.clone(),
            pod: facts.name.clone(),
            priority: at.priority(),
            usage: at.usage,
            request: has_request.then_some(at.request),
            exceeds: at.exceeds().filter(|_| has_request),
            above_request: at.above_request(),
            decided_by: at.decided_by.map_or("last", Comparator::name),
            why: why.map(|why| why.to_string()),
            passed_over: at.barred.map(Bar::name),
        })
    }
}
