//! The figures of many incidents: quantiles by kind, and the cost of each probe.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use evictd_tests::{
    histogram::{Latency, Summary},
    incident::Report,
    kind::Kind,
    record::{DecisionTime, ProgramCost, Started, Stopped},
};
use serde::Serialize;

/// Everything measured, as written to the JSON file.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    evictd: String,
    kernel: String,
    cgroup: String,
    trials: u32,
    rungs: BTreeMap<String, Option<String>>,
    incidents: BTreeMap<&'static str, KindFigures>,
    /// Over all kinds, from evictd's own histogram.
    kernel_record_to_decision_ns: DecisionTime,
    wakes: BTreeMap<String, u64>,
    programs: BTreeMap<String, ProgramFigures>,
    /// Records and counts the probes could not store, by probe family.
    drops: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct KindFigures {
    caught: usize,
    failed: usize,
    woken_by: BTreeMap<String, usize>,
    crossed_to_decision_ms: Option<Summary>,
    decision_to_kill_ms: Option<Summary>,
    record_to_decision_ms: Option<Summary>,
    /// Bytes; tasks for fork-bomb.
    past_threshold: Option<Summary>,
    released_ms: Option<Summary>,
}

#[derive(Debug, Serialize)]
struct ProgramFigures {
    run_count: u64,
    run_time_ns: u64,
    /// In-kernel cost of one run; `None` if it never ran.
    ns_per_run: Option<f64>,
}

impl Figures {
    pub(crate) fn new(
        trials: u32,
        started: &Started,
        reports: &[Report],
        stopped: &Stopped,
    ) -> Result<Self> {
        let mut incidents = BTreeMap::new();
        for kind in Kind::ALL {
            let of_kind: Vec<&Report> = reports.iter().filter(|r| r.incident == kind).collect();
            if !of_kind.is_empty() {
                incidents.insert(kind.name(), KindFigures::new(&of_kind)?);
            }
        }
        let rung = |(family, rung): (&String, &evictd_tests::record::Rung)| {
            (family.clone(), rung.rung.clone())
        };
        Ok(Self {
            evictd: started.version.clone(),
            kernel: started.kernel.clone(),
            cgroup: started.cgroup.clone(),
            trials,
            rungs: started.rungs.iter().map(rung).collect(),
            incidents,
            kernel_record_to_decision_ns: stopped.decision_ns.clone(),
            wakes: stopped.wakes.clone(),
            programs: stopped.programs.iter().map(|(n, cost)| (n.clone(), cost.into())).collect(),
            drops: stopped.drops.clone(),
        })
    }

    /// The same as tables.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "evictd {} on Linux {}, cgroup {}, {} incidents of each kind\n\n",
            self.evictd, self.kernel, self.cgroup, self.trials
        );
        let _ = writeln!(
            text,
            "{:<11} {:<26} {:>10} {:>10} {:>10} {:>10} {:>6}",
            "incident", "", "p50", "p90", "p99", "max", "count"
        );
        for (kind, figures) in &self.incidents {
            let unit =
                if *kind == Kind::ForkBomb.name() { (1.0, "tasks") } else { (1048576.0, "MiB") };
            for (name, summary, scale) in [
                ("crossed → decided, ms", &figures.crossed_to_decision_ms, 1.0),
                ("decided → killed, ms", &figures.decision_to_kill_ms, 1.0),
                ("record → decided, ms", &figures.record_to_decision_ms, 1.0),
                ("released, ms", &figures.released_ms, 1.0),
                (&format!("past threshold, {}", unit.1), &figures.past_threshold, unit.0),
            ] {
                if let Some(s) = summary {
                    let [p50, p90, p99, max] = [s.p50, s.p90, s.p99, s.max].map(|v| v / scale);
                    let _ = writeln!(
                        text,
                        "{kind:<11} {name:<26} {p50:>10.3} {p90:>10.3} {p99:>10.3} {max:>10.3} {:>6}",
                        s.count
                    );
                }
            }
            let _ = writeln!(
                text,
                "{kind:<11} {} caught, {} failed; woken by {:?}\n",
                figures.caught, figures.failed, figures.woken_by
            );
        }
        let _ = writeln!(text, "{:<34} {:>12} {:>10}", "BPF program", "runs", "ns/run");
        for (name, program) in &self.programs {
            let cost = program.ns_per_run.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}"));
            let _ = writeln!(text, "{name:<34} {:>12} {cost:>10}", program.run_count);
        }
        let _ = writeln!(text, "drops: {:?}", self.drops);
        text
    }
}

impl KindFigures {
    fn new(reports: &[&Report]) -> Result<Self> {
        let times = |part: fn(&Report) -> Option<f64>| -> Result<Option<Summary>> {
            let mut latency = Latency::new()?;
            for ms in reports.iter().filter_map(|report| part(report)) {
                latency.add_ms(ms);
            }
            Ok(latency.summary())
        };
        let mut past = Latency::new()?;
        let mut woken_by = BTreeMap::new();
        for report in reports {
            past.add(report.bytes_past_threshold);
            if let Some(cause) = &report.woken_by {
                *woken_by.entry(cause.clone()).or_default() += 1;
            }
        }
        let caught = reports.iter().filter(|report| report.is_success()).count();
        Ok(Self {
            caught,
            failed: reports.len() - caught,
            woken_by,
            crossed_to_decision_ms: times(|report| report.crossed_to_decision_ms)?,
            decision_to_kill_ms: times(|report| report.decision_to_kill_ms)?,
            record_to_decision_ms: times(|report| report.event_to_decision_ms)?,
            past_threshold: past.raw_summary(),
            released_ms: times(|report| report.released_ms)?,
        })
    }
}

impl From<&ProgramCost> for ProgramFigures {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is kept")]
    fn from(cost: &ProgramCost) -> Self {
        let ns_per_run = (cost.run_count > 0)
            .then(|| (cost.run_time_ns as f64 / cost.run_count as f64 * 10.0).round() / 10.0);
        let ProgramCost { run_count, run_time_ns } = *cost;
        Self { run_count, run_time_ns, ns_per_run }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_run_is_the_mean_and_unknown_without_runs() {
        let cost = |run_count, run_time_ns| ProgramCost { run_count, run_time_ns };
        assert_eq!(ProgramFigures::from(&cost(4, 1001)).ns_per_run, Some(250.3));
        assert_eq!(ProgramFigures::from(&cost(0, 0)).ns_per_run, None);
    }
}
