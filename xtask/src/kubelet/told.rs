//! What the guest tells of its runs.

use std::fmt;

use serde::Deserialize;

/// A run as `evictd-beside` prints it.
#[derive(Deserialize)]
struct Run {
    trouble: String,
    evictd: bool,
    threshold_mib: u64,
    lowest_mib: f64,
    decided_ms: f64,
    ended_ms: f64,
    told_ms: f64,
    message: String,
    kubelet_evictions: usize,
    killed_again: usize,
    taken_back: usize,
    restarted: usize,
    log_writer: Option<u64>,
    statuses: Vec<Status>,
    wrong: Vec<String>,
}

#[derive(Deserialize)]
struct Status {
    at_ms: f64,
    phase: String,
    reason: Option<String>,
    restarts: i32,
}

/// All runs so far.
#[derive(Default)]
pub(super) struct Told(Vec<Run>);

impl Told {
    /// Takes a line of the guest; what is no run is progress.
    pub(super) fn line(&mut self, line: &str, json: bool) {
        match serde_json::from_str(line) {
            Ok(run) => {
                self.0.push(run);
                if json {
                    println!("{line}");
                }
            }
            Err(_) => eprintln!("    {line}"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in &self.0 {
            let who = if run.evictd { "evictd beside the kubelet" } else { "the kubelet alone" };
            writeln!(f, "\n{}, {who}: threshold {} MiB", run.trouble, run.threshold_mib)?;
            writeln!(
                f,
                "  ms after it: decided {:.0}, ended {:.0}, told {:.0}",
                run.decided_ms, run.ended_ms, run.told_ms
            )?;
            writeln!(
                f,
                "  lowest {:.1} MiB; evictions by the kubelet: {}; status taken back by it: {}, containers started \
                 again: {}, killed again: {}",
                run.lowest_mib,
                run.kubelet_evictions,
                run.taken_back,
                run.restarted,
                run.killed_again
            )?;
            if let Some(rate) = run.log_writer {
                writeln!(f, "  log writer named at {:.1} MB/s", rate as f64 / 1e6)?;
            }
            writeln!(f, "  {}", run.message.trim_end())?;
            for status in &run.statuses {
                let reason = status.reason.as_deref().unwrap_or("-");
                writeln!(
                    f,
                    "  {:>8.0} ms: {} {reason}, restarts {}",
                    status.at_ms, status.phase, status.restarts
                )?;
            }
            for wrong in &run.wrong {
                writeln!(f, "  WRONG: {wrong}")?;
            }
        }
        Ok(())
    }
}
