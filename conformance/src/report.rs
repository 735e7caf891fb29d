//! How many vectors passed, and what the others did.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::compare::Mismatch;

/// Passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// As the kubelet does.
    pub passed: u32,
    /// Otherwise.
    pub failed: u32,
}

/// A vector that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The first step that went another way, from 0; `None` when the vector has no steps.
    pub step: Option<usize>,
    /// The time of that step in seconds.
    pub at_seconds: Option<f64>,
    /// What was expected and what came, line by line.
    pub difference: String,
}

impl Failure {
    /// A line that is no vector, or none that can be played.
    pub(crate) fn unreadable(place: &str, error: &dyn fmt::Display) -> Self {
        let mismatch = Mismatch::Broken(error.to_string());
        Self::new(place, "", None, mismatch)
    }

    pub(crate) fn new(
        id: &str,
        name: &str,
        step: Option<(usize, f64)>,
        mismatch: Mismatch,
    ) -> Self {
        let difference = match mismatch {
            Mismatch::Broken(text) => format!("cannot be played: {text}\n"),
            Mismatch::Outcome(text) => text,
        };
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            step: step.map(|(i, _)| i),
            at_seconds: step.map(|(_, t)| t),
            difference,
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// By family of rules.
    pub families: BTreeMap<String, Tally>,
    /// All together.
    pub total: Tally,
    /// Those that failed, in the order of the files.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Failures that are printed in full.
    const SHOWN: usize = 5;

    pub(crate) fn add(&mut self, family: String, result: Result<(), Failure>) {
        let tally = self.families.entry(family).or_default();
        let counters = [tally, &mut self.total];
        for counter in counters {
            match result {
                Ok(()) => counter.passed += 1,
                Err(_) => counter.failed += 1,
            }
        }
        self.failures.extend(result.err());
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if !self.name.is_empty() && self.name != self.id {
            write!(f, " {}", self.name)?;
        }
        if let (Some(step), Some(t)) = (self.step, self.at_seconds) {
            write!(f, ", step {step} at {t} s")?;
        }
        writeln!(f)?;
        self.difference.lines().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

impl fmt::Display for Report {
    /// A table by family, then the first failures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.families.keys().map(String::len).max().unwrap_or(0).max("total".len());
        writeln!(f, "{:width$}  passed  failed", "family")?;
        let total = ("total".to_owned(), self.total);
        let rows = self.families.iter().map(|(name, tally)| (name.clone(), *tally));
        for (name, tally) in rows.chain([total]) {
            writeln!(f, "{name:width$}  {:6}  {:6}", tally.passed, tally.failed)?;
        }
        for failure in self.failures.iter().take(Self::SHOWN) {
            write!(f, "\n{failure}")?;
        }
        match self.failures.len().checked_sub(Self::SHOWN) {
            Some(more) if more > 0 => writeln!(f, "\n… and {more} more failed"),
            _ => Ok(()),
        }
    }
}
