//! The evaluator with everything it is told taken down.

use std::{io, ops::Deref};

use evictd_core::{Command, Evaluator, MonoTime, Observation, Outcome, Policy};

use super::{Entry, Event, Recorder};

/// Room for the inputs and commands of one evaluation, so that noting one allocates nothing.
const CAPACITY: usize = 256;

/// An evaluator whose inputs and commands are traced where that is wanted. Reading goes through to the
/// [`Evaluator`]; changing it is possible only in ways that a trace tells.
///
/// On the way to a kill things are only noted; [`Traced::flush`] hands them over afterwards.
pub struct Traced {
    evaluator: Evaluator,
    tape: Option<Tape>,
}

struct Tape {
    recorder: Recorder,
    noted: Vec<(MonoTime, Noted)>,
    /// Time of the last input.
    now: MonoTime,
}

enum Noted {
    /// The one that [`Traced::flush`] is given.
    Observation,
    Outcome(Outcome),
    Timeout,
    Policy(Box<Policy>),
    Command(Command),
}

impl Deref for Traced {
    type Target = Evaluator;

    fn deref(&self) -> &Evaluator {
        &self.evaluator
    }
}

impl Traced {
    /// Traces nothing.
    pub const fn untraced(evaluator: Evaluator) -> Self {
        Self { evaluator, tape: None }
    }

    /// Traces to `recorder`.
    pub fn new(evaluator: Evaluator, recorder: Recorder) -> Self {
        let noted = Vec::with_capacity(CAPACITY);
        let tape = Tape { recorder, noted, now: MonoTime::default() };
        Self { evaluator, tape: Some(tape) }
    }

    /// See [`Evaluator::handle_observation`]. To be followed by [`Traced::flush`] with the same
    /// observation.
    pub fn handle_observation(&mut self, observation: &Observation, now: MonoTime) {
        self.note(now, || Noted::Observation);
        self.evaluator.handle_observation(observation, now);
    }

    /// See [`Evaluator::handle_outcome`].
    pub fn handle_outcome(&mut self, outcome: &Outcome, now: MonoTime) {
        self.note(now, || Noted::Outcome(outcome.clone()));
        self.evaluator.handle_outcome(outcome, now);
    }

    /// See [`Evaluator::handle_timeout`].
    pub fn handle_timeout(&mut self, now: MonoTime) {
        self.note(now, || Noted::Timeout);
        self.evaluator.handle_timeout(now);
    }

    /// See [`Evaluator::set_policy`].
    pub fn set_policy(&mut self, policy: Policy, now: MonoTime) {
        self.note(now, || Noted::Policy(Box::new(policy.clone())));
        self.evaluator.set_policy(policy, now);
    }

    /// See [`Evaluator::poll_command`].
    pub fn poll_command(&mut self) -> Option<Command> {
        let command = self.evaluator.poll_command()?;
        if let Some(tape) = &mut self.tape {
            tape.noted.push((tape.now, Noted::Command(command.clone())));
        }
        Some(command)
    }

    /// Hands over what was noted; `observation` is the one that was evaluated.
    pub fn flush(&mut self, observation: &Observation) {
        if let Some(tape) = &mut self.tape {
            let entries = tape.entries(Some(observation));
            tape.recorder.record(entries);
        }
    }

    /// Ends the trace, if there is one, and waits until it is written.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn finish(&mut self, now: MonoTime) -> io::Result<()> {
        let Some(mut tape) = self.tape.take() else {
            return Ok(());
        };
        let entries = tape.entries(None);
        tape.recorder.finish(entries, now)
    }

    fn note(&mut self, now: MonoTime, noted: impl FnOnce() -> Noted) {
        if let Some(tape) = &mut self.tape {
            tape.now = now;
            tape.noted.push((now, noted()));
        }
    }
}

impl Tape {
    fn entries(&mut self, observation: Option<&Observation>) -> Vec<Entry> {
        let entry = |(now, noted)| {
            let event = match noted {
                Noted::Observation => Event::Observation(Box::new(observation?.clone())),
                Noted::Outcome(outcome) => Event::Outcome(outcome),
                Noted::Timeout => Event::Timeout,
                Noted::Policy(policy) => Event::Policy(policy),
                Noted::Command(command) => Event::Command(command),
            };
            Some(Entry { now, event })
        };
        self.noted.drain(..).filter_map(entry).collect()
    }
}
