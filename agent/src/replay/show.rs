//! What a replay tells, as text and as JSON.

use std::fmt::Write as _;

use evictd_core::{Amount, Command, Policy};
use serde::Serialize;

use super::{Change, Compared, Decision, What, as_recorded, compare, under};
use crate::{
    answer::{Align, Paint, Table, Tone},
    trace::{Event, Trace},
};

/// What came out of a replay.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The recorded policy gave the recorded commands again.
    pub reproduced: bool,
    /// Another policy was tried.
    pub other_policy: bool,
    /// Observations in the trace.
    pub observations: usize,
    /// From its start to its last entry.
    pub seconds: f64,
    /// How many decisions were recorded, and how many are made now.
    pub recorded: usize,
    /// See above.
    pub replayed: usize,
    /// How many of them are the same.
    pub same: usize,
    /// Observations at which the other policy could not evict, because figures of pods that it wanted
    /// were not recorded.
    pub without_figures: u64,
    /// What is wrong with the trace.
    pub warnings: Vec<String>,
    /// The first command that differs, where the recorded policy gave others.
    pub first_difference: Option<String>,
    /// Recorded decisions and those made now.
    pub decisions: Vec<Compared>,
}

impl Answer {
    /// Plays the trace as recorded, and under `other`.
    pub fn of(trace: &Trace, other: Option<Policy>) -> Self {
        let base = as_recorded(trace);
        let first_difference = first_difference(trace, &base.commands);
        let reproduced = first_difference.is_none();
        // Where the ranking behind them is not known, recorded decisions are told without it.
        let recorded = if reproduced { base.decisions.clone() } else { told(trace) };
        let other_policy = other.is_some();
        let replayed = other.map_or(base, |policy| under(trace, policy));
        let counts = (recorded.len(), replayed.decisions.len());
        let decisions = compare(recorded, replayed.decisions);
        Self {
            reproduced,
            other_policy,
            observations: trace.observations().count(),
            seconds: trace.length().as_secs_f64(),
            recorded: counts.0,
            replayed: counts.1,
            same: decisions.iter().filter(|line| line.change == Change::Same).count(),
            without_figures: replayed.without_figures,
            warnings: trace.warnings.clone(),
            first_difference,
            decisions,
        }
    }

    /// False when the recorded policy did not give the recorded decisions again.
    pub const fn is_as_expected(&self) -> bool {
        self.reproduced || self.other_policy
    }

    /// One object.
    pub fn json(&self) -> String {
        // Maps with keys that are no strings are all that could fail, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A line per decision and a summary.
    pub fn text(&self, paint: Paint) -> String {
        let columns = [Align::Left, Align::Right, Align::Left, Align::Left, Align::Left];
        let mut table = Table::without_heading(&columns);
        for line in &self.decisions {
            let tone = match line.change {
                Change::Same => Tone::Plain,
                Change::OnlyRecorded => Tone::Bad,
                Change::OnlyReplayed => Tone::Good,
            };
            table.push_all(tone, row(line));
        }
        let mut text = table.render(paint);
        // Writing into a string cannot fail.
        let _ = self.summary(&mut text);
        text
    }

    fn summary(&self, text: &mut String) -> std::fmt::Result {
        let Self { observations, seconds, recorded, replayed, same, .. } = self;
        let seen = format!("{observations} observations in {seconds:.1} s");
        if let Some(difference) = &self.first_difference {
            writeln!(text, "not reproduced: {difference}")?;
        }
        if self.other_policy {
            let (gone, new) = (recorded - same, replayed - same);
            writeln!(
                text,
                "{recorded} decisions recorded, {replayed} under the other policy: \
                 {same} same, {gone} gone, {new} new ({seen})"
            )?;
        } else if self.reproduced {
            writeln!(text, "reproduced: the same {recorded} decisions ({seen})")?;
        }
        if self.without_figures > 0 {
            writeln!(
                text,
                "at {} observations the other policy wanted pod figures that were not recorded, and \
                 could not evict; `evictd record` records all",
                self.without_figures
            )?;
        }
        Ok(())
    }
}

/// Of a trace that was cut short the last commands may be missing.
fn first_difference(trace: &Trace, played: &[Command]) -> Option<String> {
    let mut count = 0;
    for (i, recorded) in trace.commands().enumerate() {
        count = i + 1;
        match played.get(i) {
            Some(command) if command == recorded => {}
            Some(command) => {
                return Some(format!("command {count} was {recorded:?}, is {command:?}"));
            }
            None => return Some(format!("command {count} was {recorded:?}, is missing")),
        }
    }
    let more = played.get(count).filter(|_| trace.is_whole)?;
    Some(format!("command {} was not recorded: {more:?}", count + 1))
}

/// The recorded decisions by their commands alone.
fn told(trace: &Trace) -> Vec<Decision> {
    let mut seen = None;
    let mut decisions = Vec::new();
    for entry in &trace.entries {
        match &entry.event {
            Event::Observation(observation) => seen = Some(&**observation),
            Event::Command(command) => {
                let at = entry.now.since(trace.header.now);
                decisions.extend(Decision::of(command, at, seen, None));
            }
            Event::Outcome(_) | Event::Timeout | Event::Policy(_) => {}
        }
    }
    decisions
}

fn row(line: &Compared) -> Vec<String> {
    let decision = &line.decision;
    let (what, on, detail) = match &decision.what {
        What::Evict { reason, signal, pod, hard, available, threshold } => {
            let (kind, sign) = match (*reason, hard) {
                ("log-writer", _) => ("early", ", threshold"),
                (_, true) => ("hard", " <"),
                (_, false) => ("soft", " <"),
            };
            let (available, threshold) = Amount::pair(*signal, *available, *threshold);
            let numbers = format!("{signal} {available}{sign} {threshold}");
            let place = decision.place.as_ref();
            let why = place.map(|place| match &place.why {
                Some(why) => format!("; {why}"),
                None => "; last in rank".to_owned(),
            });
            (format!("evict {kind}"), pod.to_string(), numbers + &why.unwrap_or_default())
        }
        What::EvictOverLimit { pod, limit } => {
            ("evict limit".to_owned(), pod.to_string(), limit.clone())
        }
        What::LogWriter { pod, container, signal, rate, crosses_in_ms, action } => {
            let rate = Amount::of(*signal, *rate);
            let seconds = *crosses_in_ms as f64 / 1000.0;
            let text = format!("{container} at {rate}/s, {signal} met in {seconds:.1} s; {action}");
            ("log writer".to_owned(), pod.to_string(), text)
        }
        What::UnableToEvict { signal } => {
            ("unable to evict".to_owned(), String::new(), signal.to_string())
        }
        What::Condition { condition, status } => {
            ("condition".to_owned(), String::new(), format!("{condition}={status}"))
        }
    };
    let at = format!("+{:.3} s", decision.at.as_secs_f64());
    vec![line.change.sign().to_string(), at, what, on, detail]
}
