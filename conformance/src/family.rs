//! The families of rules that vectors are counted by.

use crate::{scenario::Scenario, thresholds::Case};

/// Tags that say more about what a scenario tests than those before them.
const TELLING: [&str; 14] = [
    "containerfs-configured",
    "panic",
    "admission",
    "local-storage",
    "min-reclaim",
    "transition",
    "allocatable",
    "critical",
    "stale",
    "message",
    "split",
    "imagefs",
    "ranking",
    "gc",
];

/// Random scenarios by how their node is laid out, designed ones by their most telling tag.
pub(crate) fn of_scenario(scenario: &Scenario) -> String {
    let has = |tag: &str| scenario.tags.iter().any(|t| t == tag);
    if has("random") {
        let rest = scenario.tags.iter().map(String::as_str).filter(|tag| *tag != "random");
        return format!("random: {}", rest.collect::<Vec<_>>().join(", "));
    }
    let telling = TELLING.into_iter().find(|tag| has(tag));
    let first = || scenario.tags.first().map_or("other", String::as_str);
    telling.unwrap_or_else(first).to_owned()
}

/// By the part of the grammar.
pub(crate) fn of_thresholds(case: &Case) -> String {
    let known = ["quantity", "percentage", "grace", "min reclaim", "unknown signal", "signal"];
    let family = known.into_iter().find(|name| case.description.starts_with(name));
    format!("thresholds: {}", family.unwrap_or("other"))
}
