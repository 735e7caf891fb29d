//! Drives evictd's evaluator in kubelet semantics with recordings of the real kubelet's eviction
//! manager and compares, step by step, what both did.
//!
//! The format of the recordings is described in `tests/conformance/README.md`.

mod carry_out;
mod compare;
mod drive;
mod family;
mod load;
mod outcome;
mod pods;
mod policy;
mod report;
mod scenario;
mod thresholds;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde::de::Deserialize as _;
use serde_json::Value;

use load::Line;
pub use load::LoadError;
pub use report::{Failure, Report, Tally};
pub use thresholds::Case as ThresholdCase;

/// Runs every vector of every `*.jsonl` and `*.jsonl.gz` in `dir`, of which there must be one.
pub fn run(dir: &Path) -> Result<Report, LoadError> {
    let mut report = Report::default();
    for path in load::files(dir)? {
        for line in load::lines(&path)? {
            let (family, result) = check(&line);
            report.add(family, result);
        }
    }
    Ok(report)
}

/// A vector with steps is a scenario, one without is a case of eviction maps.
fn check(line: &Line) -> (String, Result<(), Failure>) {
    let unreadable = |error: &dyn std::fmt::Display| {
        ("unreadable".to_owned(), Err(Failure::unreadable(&line.place, error)))
    };
    let vector: Value = match serde_json::from_str(&line.text) {
        Ok(vector) => vector,
        Err(error) => return unreadable(&error),
    };
    if vector.get("steps").is_some() {
        match scenario::Scenario::deserialize(&vector) {
            Ok(scenario) => {
                let result = unless_it_crashes(line, || drive::check(&scenario));
                (family::of_scenario(&scenario), result)
            }
            Err(error) => unreadable(&error),
        }
    } else {
        match thresholds::Case::deserialize(&vector) {
            Ok(case) => {
                let result = unless_it_crashes(line, || thresholds::check(&case));
                (family::of_thresholds(&case), result)
            }
            Err(error) => unreadable(&error),
        }
    }
}

/// A vector on which the evaluator crashes has failed; the others go on.
fn unless_it_crashes(
    line: &Line,
    check: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let crashed = |_| Err(Failure::unreadable(&line.place, &"the evaluator crashed"));
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(crashed)
}
