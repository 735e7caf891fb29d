//! Node conditions and how long they outlast their cause (L-7 to L-9).

use std::{collections::VecDeque, time::Duration};

use crate::{Command, MonoTime, NodeCondition, NodeConditions};

/// One condition over time.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    last_observed: Option<MonoTime>,
    held: bool,
    reported: bool,
}

/// The conditions of the node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conditions([State; NodeCondition::COUNT]);

/// What an evaluation says of one condition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cause {
    /// A threshold of it is met or unresolved, grace or not (L-7); or was when last known.
    pub(super) held: bool,
    /// One of these was seen in this very evaluation.
    pub(super) observed: bool,
}

impl Conditions {
    /// Takes the causes in and reports what changed.
    pub(super) fn update(
        &mut self,
        causes: [Cause; NodeCondition::COUNT],
        period: Duration,
        now: MonoTime,
        commands: &mut VecDeque<Command>,
    ) {
        for (state, cause) in self.0.iter_mut().zip(causes) {
            state.held = cause.held;
            if cause.observed {
                state.last_observed = Some(now); // L-8
            }
        }
        self.expire(period, now, commands);
    }

    /// Reports what changed by the passing of time alone. A condition whose cause was there when last
    /// looked stays: without observations conditions are frozen (L-3d).
    pub(super) fn expire(
        &mut self,
        period: Duration,
        now: MonoTime,
        commands: &mut VecDeque<Command>,
    ) {
        for condition in NodeCondition::ALL {
            let state = &mut self.0[condition.index()];
            let recent = state.last_observed.is_some_and(|last| now.since(last) < period); // L-9
            let status = state.held || recent;
            if status != state.reported {
                state.reported = status;
                commands.push_back(Command::SetCondition { condition, status });
            }
        }
    }

    /// The conditions as last reported.
    pub(super) const fn reported(&self) -> NodeConditions {
        let [memory, disk, pids] = &self.0;
        NodeConditions([memory.reported, disk.reported, pids.reported])
    }

    /// When the next condition expires.
    pub(super) fn next_expiry(&self, period: Duration) -> Option<MonoTime> {
        let fading = self.0.iter().filter(|state| state.reported && !state.held);
        fading.filter_map(|state| state.last_observed).map(|last| last.after(period)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_comes_at_once_and_goes_after_the_transition_period() {
        let period = Duration::from_nanos(100);
        let met = Cause { held: true, observed: true };
        let unknown = Cause { held: true, observed: false };
        let clear = Cause::default();
        let steps = [
            ("clear", 0, clear, None, None),
            ("crossed", 10, met, Some(true), None),
            ("still met long after", 500, met, None, None),
            ("clear within the period", 599, clear, None, Some(600)),
            ("period over (strictly)", 600, clear, Some(false), None),
            ("again", 700, met, Some(true), None),
            ("unknown for longer than the period (L-3d)", 900, unknown, None, None),
            ("clear again", 901, clear, Some(false), None),
        ];
        let mut conditions = Conditions::default();
        for (name, now, cause, change, expiry) in steps {
            let mut commands = VecDeque::new();
            let causes = [cause, Cause::default(), Cause::default()];
            conditions.update(causes, period, MonoTime::from_nanos(now), &mut commands);
            let condition = NodeCondition::MemoryPressure;
            let change = change.map(|status| Command::SetCondition { condition, status });
            assert_eq!(commands.pop_front(), change, "{name}");
            assert_eq!(commands.pop_front(), None, "{name}");
            assert_eq!(conditions.next_expiry(period), expiry.map(MonoTime::from_nanos), "{name}");
        }
    }
}
