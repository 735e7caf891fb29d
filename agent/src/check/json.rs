//! The answer as one JSON object for machines. Names stay; numbers are numbers; unknown is null.

use serde::Serialize;

use super::{
    amount::unit,
    findings::{Finding, Severity},
    in_force::{InForce, Origin},
    report::Report,
    text::semantics,
};
use crate::config::{ConfigKind, Place};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    file: String,
    /// `evictd` or `kubelet`.
    kind: &'static str,
    /// `strict` or `kubelet`.
    semantics: &'static str,
    /// The kubelet's configuration it was held against.
    kubelet: Option<String>,
    thresholds: Vec<Threshold>,
    findings: Vec<FindingAnswer>,
}

#[derive(Debug, Serialize)]
struct Threshold {
    signal: &'static str,
    /// `hard` or `soft`.
    kind: &'static str,
    written: String,
    /// Of every amount here: `bytes`, `inodes` or `tasks`.
    unit: &'static str,
    quantity: Option<i64>,
    minimum_reclaim_written: Option<String>,
    minimum_reclaim: Option<i64>,
    grace_seconds: f64,
    /// `written`, `default` or `copy`.
    origin: &'static str,
    copy_of: Option<&'static str>,
    #[serde(flatten)]
    place: Where,
    available: Option<i64>,
    capacity: Option<i64>,
    met: Option<bool>,
    /// From what is available to the threshold; below zero when it is met.
    distance: Option<i64>,
    /// Why the signal is unknown.
    unknown: Option<String>,
}

#[derive(Debug, Serialize)]
struct FindingAnswer {
    code: &'static str,
    severity: Severity,
    rules: &'static [&'static str],
    field: Option<String>,
    #[serde(flatten)]
    place: Where,
    text: String,
    instead: String,
}

/// Where something was written; all null if nobody wrote it.
#[derive(Debug, Serialize)]
struct Where {
    file: Option<String>,
    /// From 1; null for a flag.
    line: Option<u64>,
    column: Option<u64>,
}

impl Where {
    fn of(place: Option<&Place>) -> Self {
        Self {
            file: place.map(|place| place.file.display().to_string()),
            line: place.map(|place| place.line).filter(|line| *line > 0),
            column: place.map(|place| place.column).filter(|column| *column > 0),
        }
    }
}

impl Answer {
    /// What `report` says.
    pub fn of(report: &Report<'_>) -> Self {
        Self {
            file: report.file.display().to_string(),
            kind: match report.config.eviction.kind {
                ConfigKind::Evictd => "evictd",
                ConfigKind::Kubelet => "kubelet",
            },
            semantics: semantics(report),
            kubelet: report.beside.path().map(|path| path.display().to_string()),
            thresholds: report.rows.iter().map(|row| threshold(row, report)).collect(),
            findings: report.findings.iter().map(finding).collect(),
        }
    }
}

fn threshold(row: &InForce, report: &Report<'_>) -> Threshold {
    let (origin, copy_of, place) = match &row.origin {
        Origin::Written(place) => ("written", None, place.as_ref()),
        Origin::Default => ("default", None, None),
        Origin::Copied(source) => ("copy", Some(source.name()), None),
    };
    Threshold {
        signal: row.signal().name(),
        kind: if row.threshold.is_hard() { "hard" } else { "soft" },
        written: row.written.clone(),
        unit: unit(row.signal()),
        quantity: row.quantity(),
        minimum_reclaim_written: row.written_reclaim.clone(),
        minimum_reclaim: row.min_reclaim(),
        grace_seconds: row.threshold.grace.as_secs_f64(),
        origin,
        copy_of,
        place: Where::of(place),
        available: row.seen.map(|seen| seen.available),
        capacity: row.seen.map(|seen| seen.capacity),
        met: row.is_met(),
        distance: row.distance(),
        unknown: report.node.reason(row.signal()).map(str::to_owned),
    }
}

fn finding(finding: &Finding) -> FindingAnswer {
    FindingAnswer {
        code: finding.code,
        severity: finding.severity,
        rules: finding.because,
        field: finding.at.field(),
        place: Where::of(finding.place.as_ref()),
        text: finding.text.clone(),
        instead: finding.instead.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::sample::Case;

    #[test]
    fn numbers_are_numbers_and_unknown_is_null() {
        let text = "evictionHard: {pid.available: \"1000\", imagefs.available: 15%}\n";
        let case = Case::evictd(text);
        let answer = case.asked(|report| serde_json::to_value(Answer::of(report)).expect("JSON"));
        assert_eq!(answer["kind"], "evictd");
        assert_eq!(answer["semantics"], "strict");
        assert_eq!(answer["kubelet"], json!(null));
        let imagefs = &answer["thresholds"][0];
        assert_eq!(imagefs["signal"], "imagefs.available");
        for unknown in ["quantity", "available", "capacity", "met", "distance", "minimum_reclaim"] {
            assert!(imagefs[unknown].is_null(), "{unknown}: {imagefs}");
        }
        assert_eq!(imagefs["unknown"], "`imagefs` is not configured");
        let expected = json!({
            "signal": "pid.available", "kind": "hard", "written": "1000", "unit": "tasks",
            "quantity": 1000, "minimum_reclaim_written": null, "minimum_reclaim": null,
            "grace_seconds": 0.0, "origin": "written", "copy_of": null, "file": "c.yaml", "line": 1, "column": 31,
            "available": 16384, "capacity": 32768, "met": false, "distance": 15384, "unknown": null,
        });
        assert_eq!(answer["thresholds"][1], expected);
        let finding = &answer["findings"][0];
        assert_eq!(finding["code"], "defaults-dropped");
        assert_eq!(finding["severity"], "warning");
        assert_eq!(finding["rules"], json!(["E-8", "T-20"]));
        assert_eq!((&finding["line"], &finding["field"]), (&json!(1), &json!("evictionHard")));
    }
}
