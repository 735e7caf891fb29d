//! Steps of the evaluator: nothing met, and met, ranked and picked, at 10 to 1000 pods.
//!
//! Strict semantics look at pods only when a threshold is met; kubelet semantics are given a whole
//! summary every time and check every pod's limits of local storage, as the kubelet does.

mod allocations;
mod node;

use std::{env, fs, hint::black_box};

use criterion::{BenchmarkId, Criterion};
use evictd_core::Semantics;
use serde::Serialize;

use crate::node::{Met, Node};

const PODS: [usize; 4] = [10, 110, 500, 1000];

/// Evaluations whose allocations are counted, after as many that are not.
const COUNTED: u32 = 100;

#[derive(Serialize)]
struct Cost {
    step: String,
    pods: usize,
    allocations: f64,
}

fn main() -> std::io::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut costs = Vec::new();
    for (name, semantics) in [("strict", Semantics::Strict), ("kubelet", Semantics::Kubelet)] {
        for (kind, met) in [
            ("nothing_met", Met::Nothing),
            ("memory_hard_met", Met::Memory),
            ("nodefs_hard_met", Met::Nodefs),
        ] {
            let step = format!("{name}/{kind}");
            for pods in PODS {
                let mut node = Node::new(semantics, met, pods);
                let mut group = criterion.benchmark_group(step.replace('/', "_"));
                group.bench_function(BenchmarkId::from_parameter(pods), |bencher| {
                    bencher.iter(|| black_box(node.step()));
                });
                group.finish();
                costs.push(Cost { step: step.clone(), pods, allocations: count(&mut node) });
            }
        }
    }
    criterion.final_summary();
    match env::var_os("EVICTD_ALLOCATIONS") {
        Some(path) => fs::write(path, serde_json::to_string(&costs)?),
        None => Ok(()),
    }
}

/// Allocations of one evaluation, once the evaluator is warm.
fn count(node: &mut Node) -> f64 {
    let mut run = || (0..COUNTED).for_each(|_| drop(black_box(node.step())));
    run();
    let before = allocations::so_far();
    run();
    (allocations::so_far() - before) as f64 / f64::from(COUNTED)
}
