//! What a trace consists of, as it is used in memory.

use evictd_core::{Command, MonoTime, Observation, Outcome, Policy};

/// One input of the evaluator or one of its commands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The time the evaluator was told; for a command, of the input before it.
    pub now: MonoTime,
    /// What happened.
    pub event: Event,
}

/// See [`Entry`].
#[derive(Clone, Debug)]
pub enum Event {
    /// `handle_observation`
    Observation(Box<Observation>),
    /// `handle_outcome`
    Outcome(Outcome),
    /// `handle_timeout`
    Timeout,
    /// `set_policy`
    Policy(Box<Policy>),
    /// `poll_command` gave it.
    Command(Command),
}
