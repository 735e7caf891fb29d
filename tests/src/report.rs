//! What the incident runner shows.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    io::{IsTerminal as _, stdout},
};

use anyhow::Result;
use serde::Serialize;

use crate::{
    histogram::Latency,
    incident::{Report, Stage, TRUE_OFFENDER, WRONG_VICTIM},
    kind::Kind,
    record::Started,
};

/// Colours of the terminal, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    enabled: bool,
}

impl Paint {
    /// Colours if stdout is a terminal and `NO_COLOR` is not set.
    pub fn detect() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { enabled: stdout().is_terminal() && !refused }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.enabled { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what is as it should be.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For what is not.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// For headings.
    pub fn heading(self, text: &str) -> String {
        self.wrap("1", text)
    }
}

/// The line of one stage.
pub fn stage_line(stage: &Stage, paint: Paint) -> String {
    let at = stage.at_ms.map_or_else(|| " ".repeat(13), |ms| format!("{ms:>+10.3} ms"));
    let text = if stage.text.ends_with(TRUE_OFFENDER) {
        paint.good(&stage.text)
    } else if stage.text.ends_with(WRONG_VICTIM) {
        paint.bad(&stage.text)
    } else {
        stage.text.clone()
    };
    format!("  {at}  {:<18} {text}", stage.name)
}

/// The probes in use, one line.
pub fn rungs_line(started: &Started) -> String {
    let rung = |(family, rung): (&String, &crate::record::Rung)| {
        format!("{family}: {}", rung.rung.as_deref().unwrap_or("none"))
    };
    started.rungs.iter().map(rung).collect::<Vec<_>>().join(", ")
}

/// A report and the rungs it was made with, as `--json` prints it.
#[derive(Debug, Serialize)]
pub struct JsonReport<'a> {
    /// The report.
    #[serde(flatten)]
    pub report: &'a Report,
    /// Probe family to rung.
    pub rungs: BTreeMap<&'a str, Option<&'a str>>,
}

impl<'a> JsonReport<'a> {
    /// Joins the two.
    pub fn new(report: &'a Report, started: &'a Started) -> Self {
        let rung = |(family, rung): (&'a String, &'a crate::record::Rung)| {
            (family.as_str(), rung.rung.as_deref())
        };
        Self { report, rungs: started.rungs.iter().map(rung).collect() }
    }
}

/// One row an incident.
pub fn table(reports: &[Report], paint: Paint) -> String {
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
    let mut text = String::new();
    let heading = format!(
        "{:<11} {:<15} {:<15} {:>15} {:>14} {:>14} {:>12}  {:<12} {}",
        "incident",
        "offender",
        "victim",
        "crossed→decided",
        "decided→killed",
        "past threshold",
        "released",
        "woken by",
        "verdict"
    );
    let _ = writeln!(text, "{}", paint.heading(&heading));
    for report in reports {
        let verdict = match &report.failure {
            None => paint.good("caught"),
            Some(failure) => paint.bad(failure),
        };
        let past = i64::try_from(report.bytes_past_threshold).unwrap_or(i64::MAX);
        let _ = writeln!(
            text,
            "{:<11} {:<15} {:<15} {:>12} ms {:>11} ms {:>14} {:>9} ms  {:<12} {verdict}",
            report.incident.name(),
            report.offender,
            report.victim.as_deref().unwrap_or("-"),
            ms(report.crossed_to_decision_ms),
            ms(report.decision_to_kill_ms),
            report.incident.quantity(past),
            ms(report.released_ms),
            report.woken_by.as_deref().unwrap_or("-"),
        );
    }
    text
}

/// The two latencies that matter, over all incidents.
pub fn histograms(reports: &[Report], paint: Paint) -> Result<String> {
    type Part = fn(&Report) -> Option<f64>;
    let mut text = String::new();
    let parts: [(&str, Part); 2] = [
        ("threshold crossed → decided", |report| report.crossed_to_decision_ms),
        ("decided → kill issued", |report| report.decision_to_kill_ms),
    ];
    for (name, part) in parts {
        let mut latency = Latency::new()?;
        for ms in reports.iter().filter_map(part) {
            latency.add_ms(ms);
        }
        let Some(s) = latency.summary() else { continue };
        let heading = format!(
            "{name}: p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms, max {:.3} ms, count {}",
            s.p50, s.p90, s.p99, s.max, s.count
        );
        let _ = writeln!(text, "{}", paint.heading(&heading));
        for bar in latency.bars() {
            let _ = writeln!(text, "  {bar}");
        }
    }
    Ok(text)
}

/// The heading of one incident.
pub fn incident_heading(kind: Kind, trial: u32, trials: u32, paint: Paint) -> String {
    let what = match kind {
        Kind::LogWriter => "writes its log through the runtime as fast as it can",
        Kind::MemoryHog => "takes 500 MiB of memory a second",
        Kind::ForkBomb => "has every process fork",
    };
    let of = if trials > 1 { format!(" ({trial}/{trials})") } else { String::new() };
    paint.heading(&format!("{}{of}: {} {what}", kind.name(), kind.offender()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_align_and_show_their_sign() {
        let plain = Paint { enabled: false };
        let stage = |at_ms| Stage { name: "seen", at_ms, text: "x".into() };
        assert_eq!(stage_line(&stage(Some(1.5)), plain), "      +1.500 ms  seen               x");
        assert_eq!(stage_line(&stage(Some(-0.1)), plain), "      -0.100 ms  seen               x");
        assert_eq!(stage_line(&stage(None), plain), "                 seen               x");
    }
}
