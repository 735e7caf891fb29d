//! Drives evictd's evaluator in kubelet semantics with recordings of the real kubelet's eviction
//! manager and compares, step by step, what both did.
//!
//! The format of the recordings is described in `tests/conformance/README.md`.

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

pub use load::{LoadError, load_lines};
pub use report::{Failure, Report, Tally};

use std::path::Path;

/// Scenarios with the behaviour of one evaluation after the other; the second is compressed.
const SCENARIOS: [&str; 2] = ["named.jsonl", "random.jsonl.gz"];
/// Eviction maps and what they parse to.
const THRESHOLDS: &str = "thresholds.jsonl";

/// Runs every vector of `dir`. Files that are not there are left out, but there must be one.
pub fn run(dir: &Path) -> Result<Report, LoadError> {
    let mut report = Report::default();
    let mut found = false;
    for file in SCENARIOS {
        let path = dir.join(file);
        if !path.exists() {
            continue;
        }
        found = true;
        for scenario in load_lines::<scenario::Scenario>(&path)? {
            report.add(family::of_scenario(&scenario), drive::check(&scenario));
        }
    }
    let path = dir.join(THRESHOLDS);
    if path.exists() {
        found = true;
        for case in load_lines::<thresholds::Case>(&path)? {
            report.add(family::of_thresholds(&case), thresholds::check(&case));
        }
    }
    if found { Ok(report) } else { Err(LoadError::Empty(dir.to_owned())) }
}
