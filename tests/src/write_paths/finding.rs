//! What a measurement finds, one JSON object a line.

use std::{borrow::Cow, fmt};

use evictd::probe::Family;
use serde::{Deserialize, Serialize};

use super::{path::WritePath, place::Place};

/// A claimed figure may be off by so much of the real one.
const TOLERANCE_PERCENT: u64 = 2;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Bytes written.
    Bytes,
    /// Bytes of blocks taken and given back.
    Space,
}

impl Measure {
    /// Both, in the order of tables.
    pub const ALL: &[Self] = &[Self::Bytes, Self::Space];

    /// The probe family that counts it.
    pub const fn family(self) -> Family {
        match self {
            Self::Bytes => Family::Writes,
            Self::Space => Family::Space,
        }
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The kernel that all other findings are about.
    Kernel {
        /// `uname -r`
        release: String,
    },
    /// A filesystem that this machine cannot make.
    NoFilesystem {
        /// Which.
        filesystem: Place,
        /// Why.
        reason: String,
    },
    /// A rung that this kernel refuses for a filesystem.
    NoRung {
        /// Which filesystem.
        filesystem: Place,
        /// Its family, by what that counts.
        measure: Measure,
        /// Its name.
        rung: Cow<'static, str>,
        /// Why.
        reason: String,
    },
    /// A path that a filesystem does not have on this kernel.
    NoPath {
        /// Which filesystem.
        filesystem: Place,
        /// Which path.
        path: WritePath,
        /// Why.
        reason: String,
    },
    /// A measured cell of the table.
    Cell(Cell),
}

impl Finding {
    /// The cell, if it is one.
    pub const fn cell(&self) -> Option<&Cell> {
        if let Self::Cell(cell) = self { Some(cell) } else { None }
    }

    /// What cannot be measured on this machine, and why.
    pub fn cannot_run(&self) -> Option<String> {
        match self {
            Self::NoFilesystem { filesystem, reason } => {
                Some(format!("{}: {reason}", filesystem.name()))
            }
            Self::NoRung { filesystem, measure, rung, reason } => {
                let family = measure.family().name();
                Some(format!("{family} on {rung}, {}: {reason}", filesystem.name()))
            }
            Self::NoPath { filesystem, path, reason } => {
                Some(format!("{}, {}: {reason}", filesystem.name(), path.name()))
            }
            Self::Kernel { .. } | Self::Cell(_) => None,
        }
    }
}

/// What one rung has reported of one path on one filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The filesystem written to.
    pub filesystem: Place,
    /// How it was written to.
    pub path: WritePath,
    /// What was counted.
    pub measure: Measure,
    /// The rung that counted.
    pub rung: Cow<'static, str>,
    /// Whether the rung claims to be right here, on this kernel.
    pub claimed: bool,
    /// Bytes: all that was written. Space: what the file held at each stop, and nothing in the end.
    pub stages: Vec<Stage>,
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Bytes that the rung has counted for the cgroup.
    pub reported: i64,
    /// Bytes known to have been written, or held as `stat` says.
    pub real: u64,
}

impl Cell {
    /// Whether every figure is right within 2 %.
    pub fn agrees(&self) -> bool {
        self.stages.iter().all(|stage| stage.agrees(self.filesystem))
    }

    /// Bytes reported and bytes real, summed over the way from stop to stop: for space that is what
    /// was taken and what was given back.
    pub fn totals(&self) -> (u64, u64) {
        let way = |of: &dyn Fn(&Stage) -> i64| {
            let mut before = 0;
            let steps = self.stages.iter().map(|stage| {
                let step = of(stage).abs_diff(before);
                before = of(stage);
                step
            });
            steps.sum()
        };
        (way(&|stage| stage.reported), way(&|stage| i64::try_from(stage.real).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (filesystem, path, rung) = (self.filesystem.name(), self.path.name(), &self.rung);
        write!(f, "{filesystem}, {path}: {:?} on {rung}: ", self.measure)?;
        let each =
            self.stages.iter().map(|Stage { reported, real }| format!("{reported} of {real}"));
        write!(f, "{}", each.collect::<Vec<_>>().join(", "))
    }
}

impl Stage {
    /// Whether the figure is right within 2 %; what is not counted there has to be 0.
    pub fn agrees(&self, filesystem: Place) -> bool {
        let real = if filesystem.is_counted() { self.real } else { 0 };
        let difference = self.reported.abs_diff(i64::try_from(real).unwrap_or(i64::MAX));
        difference <= real * TOLERANCE_PERCENT / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(filesystem: Place, stages: &[(i64, u64)]) -> Cell {
        let stages = stages.iter().map(|&(reported, real)| Stage { reported, real }).collect();
        let rung = Cow::Borrowed("fexit");
        let (path, measure) = (WritePath::Write, Measure::Space);
        Cell { filesystem, path, measure, rung, claimed: true, stages }
    }

    #[test]
    fn a_cell_is_right_when_every_figure_is_within_two_percent() {
        for (name, filesystem, stages, agrees) in [
            ("exact", Place::Ext4, &[(1000, 1000), (0, 0)][..], true),
            ("two per cent", Place::Ext4, &[(1020, 1000)], true),
            ("more", Place::Ext4, &[(979, 1000)], false),
            ("wrong on the way", Place::Xfs, &[(2000, 1000), (0, 0)], false),
            ("something of nothing", Place::Xfs, &[(1, 0)], false),
            ("memory, not counted", Place::Tmpfs, &[(0, 1000)], true),
            ("memory, counted", Place::Tmpfs, &[(1000, 1000)], false),
        ] {
            assert_eq!(cell(filesystem, stages).agrees(), agrees, "{name}");
        }
    }

    #[test]
    fn totals_are_what_was_taken_and_given_back() {
        let there_and_back = cell(Place::Ext4, &[(1000, 1000), (250, 500), (0, 0)]);
        assert_eq!(there_and_back.totals(), (2000, 2000));
        assert_eq!(cell(Place::Ext4, &[(-300, 0), (0, 0)]).totals(), (600, 0));
    }

    #[test]
    fn findings_are_read_back_from_their_lines() {
        let found = Finding::Cell(cell(Place::Overlay, &[(4096, 4096)]));
        let line = serde_json::to_string(&found).unwrap();
        assert!(line.starts_with(r#"{"finding":"cell","filesystem":"overlay","path":"write""#));
        assert_eq!(serde_json::from_str::<Finding>(&line).unwrap(), found);
        assert_eq!(found.cannot_run(), None);
        let none = Finding::NoRung {
            filesystem: Place::Btrfs,
            measure: Measure::Bytes,
            rung: Cow::Borrowed("fexit"),
            reason: "no hook".to_owned(),
        };
        assert_eq!(none.cannot_run().unwrap(), "writes on fexit, btrfs: no hook");
    }
}
