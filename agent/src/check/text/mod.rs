//! The answer as text for people.

mod bar;
mod paragraph;

use std::fmt::Write as _;

use evictd_core::{Semantics, Signal};

use super::{
    amount::{Amount, span},
    findings::{Finding, Severity},
    in_force::{InForce, Origin},
    report::Report,
};
use crate::{
    answer::{Align, Cell, Paint, Table, Tone},
    config::ConfigKind,
};
use bar::headroom;
use paragraph::indented;

/// Shown where there is nothing.
const NOTHING: &str = "-";
/// Shown where something is not known.
const UNKNOWN: &str = "?";

/// Head, table, what is unknown, findings.
pub fn render(report: &Report<'_>, paint: Paint) -> String {
    let mut out = head(report);
    if report.rows.is_empty() {
        out.push_str("\nNo threshold is in force.\n");
    } else {
        let _ = write!(out, "\n{}", thresholds(report).render(paint));
    }
    out.push_str(&remarks(report));
    for finding in &report.findings {
        out.push('\n');
        out.push_str(&about(finding, paint));
    }
    let count = |severity: Severity| {
        let number = report.count(severity);
        format!("{number} {}{}", severity.name(), if number == 1 { "" } else { "s" })
    };
    let _ = writeln!(out, "\n{}, {}", count(Severity::Warning), count(Severity::Note));
    out
}

fn head(report: &Report<'_>) -> String {
    let kind = match report.config.eviction.kind {
        ConfigKind::Evictd => "evictd's configuration",
        ConfigKind::Kubelet => "a kubelet's configuration",
    };
    let semantics = semantics(report);
    let mut out = format!("{}: {kind}, {semantics} semantics", report.file.display());
    if let Some(path) = report.beside.path() {
        let _ = write!(out, "; held against the kubelet's {}", path.display());
    }
    out.push('\n');
    out
}

/// Their name in the configuration.
pub fn semantics(report: &Report<'_>) -> &'static str {
    match report.config.policy.semantics {
        Semantics::Strict => "strict",
        Semantics::Kubelet => "kubelet",
    }
}

fn thresholds(report: &Report<'_>) -> Table {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("SIGNAL", Left),
        ("KIND", Left),
        ("WRITTEN", Right),
        ("BELOW", Right),
        ("NOW", Right),
        ("HEADROOM", Left),
        ("LEFT", Right),
        ("RECLAIM", Right),
        ("GRACE", Right),
        ("FROM", Left),
    ]);
    for row in &report.rows {
        table.push(line(report, row));
    }
    table.without_columns_of(NOTHING)
}

fn line(report: &Report<'_>, row: &InForce) -> Vec<Cell> {
    let hard = row.threshold.is_hard();
    let amount = |n: Option<i64>| n.map_or(UNKNOWN.to_owned(), |n| Amount(row.signal(), n).short());
    let grace = if hard { NOTHING.to_owned() } else { span(row.threshold.grace) };
    let reclaim = match row.threshold.min_reclaim {
        None => NOTHING.to_owned(),
        Some(_) => amount(row.min_reclaim()),
    };
    let left = match row.is_met() {
        Some(true) => Cell::new(Tone::Bad, "MET"),
        Some(false) | None => Cell::plain(amount(row.distance())),
    };
    vec![
        Cell::plain(row.signal().name()),
        Cell::plain(if hard { "hard" } else { "soft" }),
        Cell::plain(row.written.as_str()),
        Cell::plain(amount(row.quantity())),
        Cell::plain(amount(row.seen.map(|seen| seen.available))),
        headroom(row),
        left,
        Cell::plain(reclaim),
        Cell::plain(grace),
        Cell::plain(from(report, row)),
    ]
}

fn from(report: &Report<'_>, row: &InForce) -> String {
    match &row.origin {
        Origin::Written(Some(place)) if *place.file == *report.file && place.line > 0 => {
            format!("line {}", place.line)
        }
        Origin::Written(Some(place)) => place.to_string(),
        Origin::Written(None) => "written".to_owned(),
        Origin::Default => "default".to_owned(),
        Origin::Copied(source) => format!("copy of {source}"),
    }
}

/// Signals that are not known, by reason, and those without threshold.
fn remarks(report: &Report<'_>) -> String {
    let in_force = |signal: &Signal| report.rows.iter().any(|row| row.signal() == *signal);
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for signal in Signal::ALL.into_iter().filter(in_force) {
        let Some(reason) = report.node.reason(signal) else { continue };
        match reasons.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, signals)) => signals.push(signal.name()),
            None => reasons.push((reason, vec![signal.name()])),
        }
    }
    let mut out = String::new();
    for (reason, signals) in reasons {
        out.push_str(&indented(&format!("? {}: {reason}", signals.join(", ")), "  "));
    }
    // Logs that lie with nodefs need none of their own.
    let is_there = |signal: &Signal| {
        signal.is_known_to(Semantics::Kubelet) || report.node.seen(*signal).is_some()
    };
    let bare = Signal::ALL.into_iter().filter(is_there).filter(|signal| !in_force(signal));
    let bare: Vec<_> = bare.map(Signal::name).collect();
    if !bare.is_empty() && !report.rows.is_empty() {
        out.push_str(&indented(&format!("no threshold on {}", bare.join(", ")), "  "));
    }
    out
}

fn about(finding: &Finding, paint: Paint) -> String {
    let severity = finding.severity.name();
    let mut out = match finding.severity {
        Severity::Warning => paint.text(Tone::Bad, severity),
        Severity::Note => paint.text(Tone::Faint, severity),
    };
    let _ = write!(out, " {}", paint.text(Tone::Bold, finding.code));
    if !finding.because.is_empty() {
        let _ = write!(out, " ({})", finding.because.join(", "));
    }
    if let Some(place) = &finding.place {
        let _ = write!(out, " {place}");
    }
    if let Some(field) = finding.at.field() {
        let _ = write!(out, " {field}");
    }
    out.push('\n');
    out.push_str(&indented(&finding.text, "  "));
    out.push_str(&indented(&format!("Instead: {}", finding.instead), "  "));
    out
}

#[cfg(test)]
mod tests;
