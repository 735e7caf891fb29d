//! What became of each probe family.

use std::fmt;

use serde::Serialize;

use super::{
    cgroup_files::FileSource,
    ladder::{Family, cost_of_absence, cost_of_rung, counts_logs, source},
};

/// A rung that was tried and cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The rung.
    pub rung: &'static str,
    /// Why.
    pub reason: String,
}

/// What became of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The family.
    pub family: Family,
    /// The rung in use; `None` if all were refused.
    pub rung: Option<&'static str>,
    /// The better rungs that were refused.
    pub refused: Vec<Refused>,
}

impl Standing {
    /// The files that it stands on; `None` for programs, and without a rung.
    pub fn source(&self) -> Option<FileSource> {
        source(self.family, self.rung?)
    }

    /// Whether the kernel counts for this family.
    pub fn is_counted(&self) -> bool {
        self.rung.is_some() && self.source().is_none()
    }

    /// Whether writes into log directories are counted.
    pub fn counts_logs(&self) -> bool {
        self.family == Family::Writes && self.rung.is_some_and(counts_logs)
    }

    /// What works less well than it could; `None` on the best rung that matters.
    pub fn cost(&self) -> Option<&'static str> {
        match self.rung {
            None => Some(cost_of_absence(self.family)),
            Some(rung) => cost_of_rung(self.family, rung),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.family.name(), self.rung.unwrap_or("none"))?;
        for Refused { rung, reason } in &self.refused {
            write!(f, "; {rung} refused: {reason}")?;
        }
        Ok(())
    }
}
