//! What the node should say.

use evictd_core::{MonoTime, NodeCondition};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// What of it is reported to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// Conditions of the node.
    pub conditions: bool,
    /// Taints of the node.
    pub taints: bool,
    /// Events about the node.
    pub events: bool,
}

impl Reporting {
    /// Nothing is touched.
    pub const NOTHING: Self = Self { conditions: false, taints: false, events: false };
}

/// The status of a condition and since when it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stance {
    pub(super) status: bool,
    pub(super) since: MonoTime,
}

/// What is wanted now. Small and whole, so that only the latest matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) reporting: Reporting,
    /// `None` until the node was looked at for the first time.
    pub(super) stances: Option<[Stance; NodeCondition::COUNT]>,
}

impl Wanted {
    /// Takes in the status of a condition. False if that is not new.
    pub(super) fn set(&mut self, condition: NodeCondition, status: bool, at: MonoTime) -> bool {
        let clear = Stance { status: false, since: at };
        let stances = self.stances.get_or_insert([clear; NodeCondition::COUNT]);
        let stance = &mut stances[condition.index()];
        let changes = stance.status != status;
        if changes {
            *stance = Stance { status, since: at };
        }
        changes
    }

    /// The desired state; `None` while nothing is to be touched. `now`: one moment on both clocks.
    pub(super) fn desired(&self, now: (MonoTime, Timestamp)) -> Option<Desired> {
        let Reporting { conditions, taints, events: _ } = self.reporting;
        if self.reporting == Reporting::NOTHING {
            return None;
        }
        let states = self.stances?.map(|Stance { status, since }| {
            let age = SignedDuration::try_from(now.0.since(since)).unwrap_or_default();
            State { status, since: now.1.saturating_sub(age).unwrap_or(now.1) }
        });
        Some(Desired {
            conditions: conditions.then_some(states),
            taints: states.map(|state| taints && state.status),
        })
    }
}

/// A condition's status on the clock of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) status: bool,
    pub(super) since: Timestamp,
}

/// What the node should carry of evictd's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    /// Each condition; `None`: none of them.
    pub(super) conditions: Option<[State; NodeCondition::COUNT]>,
    /// Whether each condition's taint is there.
    pub(super) taints: [bool; NodeCondition::COUNT],
}

impl Desired {
    /// Nothing of evictd's.
    pub(super) const NOTHING: Self =
        Self { conditions: None, taints: [false; NodeCondition::COUNT] };
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Reporting = Reporting { conditions: true, taints: true, events: true };
    const MEMORY: NodeCondition = NodeCondition::MemoryPressure;

    fn wanted(reporting: Reporting) -> Wanted {
        Wanted { reporting, stances: None }
    }

    #[test]
    fn a_condition_dates_from_its_change() {
        let seconds = |n: u64| MonoTime::from_nanos(n * 1_000_000_000);
        let wall = |n: i64| Timestamp::from_second(1_000_000 + n).unwrap();
        let mut wanted = wanted(ALL);
        assert_eq!(wanted.desired((seconds(0), wall(0))), None, "not looked yet");
        assert!(wanted.set(MEMORY, true, seconds(10)));
        assert!(!wanted.set(MEMORY, true, seconds(20)), "repeated");
        let desired = wanted.desired((seconds(30), wall(30))).unwrap();
        assert_eq!(desired.taints, [true, false, false]);
        let memory = desired.conditions.unwrap()[MEMORY.index()];
        assert_eq!(memory, State { status: true, since: wall(10) });
    }

    #[test]
    fn what_is_not_reported_is_taken_away_and_observing_touches_nothing() {
        let now = (MonoTime::default(), Timestamp::UNIX_EPOCH);
        let cases = [
            ("all", ALL, Some((true, true))),
            ("no taints", Reporting { taints: false, ..ALL }, Some((true, false))),
            ("no conditions", Reporting { conditions: false, ..ALL }, Some((false, true))),
            ("neither", Reporting { events: true, ..Reporting::NOTHING }, Some((false, false))),
            ("observing", Reporting::NOTHING, None),
        ];
        for (name, reporting, expected) in cases {
            let mut wanted = wanted(reporting);
            wanted.set(MEMORY, true, MonoTime::default());
            let desired = wanted.desired(now);
            let got = desired.map(|desired| (desired.conditions.is_some(), desired.taints[0]));
            assert_eq!(got, expected, "{name}");
        }
    }
}
