//! What a run of each program costs, from the kernel's own statistics.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aya::sys::Stats;
use serde::Serialize;

use super::{
    Probes,
    floor::Floor,
    work::{Place, WORKS, Work},
};

/// Runs of a program and the time they took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Cost {
    pub(super) runs: u64,
    /// Average of a run, with what measuring it costs.
    pub(super) ns: f64,
}

impl Cost {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is kept")]
    pub(super) fn of(runs: u64, total_ns: u64) -> Self {
        let ns = if runs == 0 { 0.0 } else { total_ns as f64 / runs as f64 };
        Self { runs, ns: (ns * 10.0).round() / 10.0 }
    }
}

/// What the programs cost in one kind of work.
#[derive(Debug, Serialize)]
pub(super) struct Costs {
    /// An empty program at the work's tracepoint: contained in each of the others.
    pub(super) empty: Cost,
    /// By program; those that hardly ran are left out.
    pub(super) programs: BTreeMap<String, Cost>,
}

/// Each kind of work with statistics, which cost time themselves: no throughput is taken from these.
pub(super) fn measure(
    place: &Place,
    probes: &Probes,
    count: u32,
) -> Result<BTreeMap<&'static str, Costs>> {
    WORKS.iter().map(|work| Ok((work.name, of(work, place, probes, count)?))).collect()
}

fn of(work: &Work, place: &Place, probes: &Probes, count: u32) -> Result<Costs> {
    let _statistics = aya::sys::enable_stats(Stats::RunTime).context("BPF statistics")?;
    let floor = Floor::attach(work.tracepoint)?;
    work.run(place, count)?;
    let empty = floor.cost()?;
    super::floor::require(&empty, work.tracepoint)?;
    drop(floor);

    let loaded = probes.load()?;
    work.run(place, count)?;
    let mut programs = BTreeMap::new();
    for (name, program) in loaded.ebpf.programs() {
        // A program that is not loaded has no info.
        let Ok(info) = program.info() else { continue };
        if info.run_count() > u64::from(count / 200) {
            let total = u64::try_from(info.run_time().as_nanos())?;
            programs.insert(name.to_owned(), Cost::of(info.run_count(), total));
        }
    }
    Ok(Costs { empty, programs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_the_mean() {
        assert_eq!(Cost::of(4, 1001), Cost { runs: 4, ns: 250.3 });
        assert_eq!(Cost::of(0, 0).runs, 0);
    }
}
