//! Steps of the evaluator, measured by criterion, beside recorded figures of the kubelet's.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::process;
use crate::workspace::Workspace;

/// What the kubelet takes, as committed.
const KUBELET: &str = "tests/conformance/kubelet-cost.json";
/// Where the measuring program puts how often it allocates.
const ALLOCATIONS: &str = "criterion/evaluator-allocations.json";

/// A figure by kind of step and number of pods.
#[derive(Deserialize)]
struct Cost {
    step: String,
    pods: u32,
    #[serde(default)]
    ns: f64,
    allocations: f64,
}

/// What criterion writes of a measurement, as far as it is needed.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

pub(super) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--package", "evictd-benches", "--bench", "evaluator"]);
    cargo.env("EVICTD_ALLOCATIONS", workspace.target.join(ALLOCATIONS));
    process::run(cargo.current_dir(&workspace.root))?;

    let kubelet: Vec<Cost> = read(&workspace.root.join(KUBELET))?;
    let measured: Vec<Cost> = read(&workspace.target.join(ALLOCATIONS))?;
    println!(
        "{:24} {:>5} {:>12} {:>10} {:>14} {:>14}",
        "step", "pods", "ns/op", "allocs/op", "kubelet ns/op", "kubelet allocs"
    );
    for cost in &measured {
        let (group, kind) = cost.step.split_once('/').unwrap_or(("", &cost.step));
        let folder = format!("criterion/{group}_{kind}/{}/new/estimates.json", cost.pods);
        let estimates: Estimates = read(&workspace.target.join(folder))?;
        let ns = estimates.median.point_estimate;
        let recorded = kubelet.iter().find(|k| k.step == kind && k.pods == cost.pods);
        let [theirs, allocations] = match recorded {
            Some(k) => [format!("{:.0}", k.ns), format!("{:.0}", k.allocations)],
            None => ["-", "-"].map(str::to_owned),
        };
        println!(
            "{:24} {:>5} {ns:>12.0} {:>10.1} {theirs:>14} {allocations:>14}",
            cost.step, cost.pods, cost.allocations
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
