//! What is in force but not what it seems, a rule a finding.
//!
//! A new finding is a row in one family's `RULES`, its function, and a case in that family's tests.

mod beside;
mod containers;
mod defaults;
mod disks;
mod entries;
mod inert;
mod memory;
mod reach;
mod soft;
mod values;

use serde::Serialize;

use super::{
    beside::Beside,
    facts::NodeFacts,
    in_force::InForce,
    places::{At, Places},
};
use crate::config::{Config, Place};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It does something else than it seems to; `--strict` fails for it.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Everything that rules look at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The node.
    pub node: &'a NodeFacts,
    /// The thresholds in force.
    pub rows: &'a [InForce],
    /// The kubelet on the same node.
    pub beside: &'a Beside,
    /// What was written, and where.
    pub places: &'a Places<'a>,
}

/// A rule: what it is called, which of the kubelet's rules it rests on, and how it is found.
struct Rule {
    /// Kebab-case, never changed once it is out.
    code: &'static str,
    /// Numbers in docs/kubelet-eviction.md.
    because: &'static [&'static str],
    find: fn(&Subject<'_>) -> Vec<Found>,
}

/// What a rule found.
struct Found {
    severity: Severity,
    at: At,
    /// What happens, and why.
    text: String,
    /// What to write instead, or to do.
    instead: String,
}

/// A finding as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is called.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The rules behind it.
    pub because: &'static [&'static str],
    /// What it is about.
    pub at: At,
    /// Where that was written, if it was.
    pub place: Option<Place>,
    /// What happens, and why.
    pub text: String,
    /// What to write instead, or to do.
    pub instead: String,
}

/// Every rule, family by family.
const FAMILIES: [&[Rule]; 10] = [
    defaults::RULES,
    entries::RULES,
    values::RULES,
    soft::RULES,
    disks::RULES,
    containers::RULES,
    memory::RULES,
    inert::RULES,
    reach::RULES,
    beside::RULES,
];

/// Asks every rule; warnings first.
pub fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let finding = |rule: &Rule, found: Found| Finding {
        code: rule.code,
        severity: found.severity,
        because: rule.because,
        at: found.at,
        place: subject.places.find(found.at),
        text: found.text,
        instead: found.instead,
    };
    let asked = FAMILIES.into_iter().flatten();
    let found = asked.flat_map(|rule| (rule.find)(subject).into_iter().map(|f| finding(rule, f)));
    let mut findings: Vec<Finding> = found.collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn warning(at: At, text: impl Into<String>, instead: impl Into<String>) -> Found {
    Found { severity: Severity::Warning, at, text: text.into(), instead: instead.into() }
}

fn note(at: At, text: impl Into<String>, instead: impl Into<String>) -> Found {
    Found { severity: Severity::Note, ..warning(at, text, instead) }
}

/// A warning about what somebody wanted otherwise than by default, else a note.
fn by_origin(row: &InForce, text: impl Into<String>, instead: impl Into<String>) -> Found {
    if row.is_own() { warning(row.at(), text, instead) } else { note(row.at(), text, instead) }
}

#[cfg(test)]
mod tests;
