//! A ranking as a table and as JSON.

use std::fmt::Write as _;

use evictd_core::{Amount, Semantics, Signal, SignalObservation, Threshold, rank_pods};
use serde::Serialize;

use super::{Place, observed::Observed};
use crate::answer::{Align, Paint, Table, Tone};

/// Who would go, and why.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(serialize_with = "name")]
    signal: Signal,
    semantics: &'static str,
    /// What is left and all there is; `null` if unknown.
    available: Option<i64>,
    capacity: Option<i64>,
    /// Thresholds in the signal's unit.
    thresholds: Vec<Level>,
    /// In a trace: seconds since its start.
    at_seconds: Option<f64>,
    places: Vec<Place>,
}

/// A threshold of the signal.
#[derive(Debug, Serialize)]
struct Level {
    hard: bool,
    /// `null` for a share of what is unknown.
    quantity: Option<i64>,
    met: bool,
}

impl Answer {
    pub(super) fn of(signal: Signal, observed: &Observed) -> Self {
        let Observed { policy, observation, at } = observed;
        let pods = &observation.pods;
        let ranking = rank_pods(policy, signal, pods, observation.summary);
        let places = (0..ranking.len()).filter_map(|i| Place::of(i, &ranking, signal, pods));
        let seen = observation.signals.get(signal);
        let level = |threshold: &Threshold| Level {
            hard: threshold.is_hard(),
            quantity: seen.map(|seen| threshold.quantity(seen.capacity)),
            met: seen.is_some_and(|seen| threshold.is_met(seen)),
        };
        Self {
            signal,
            semantics: match policy.semantics {
                Semantics::Strict => "strict",
                Semantics::Kubelet => "kubelet",
            },
            available: seen.map(|SignalObservation { available, .. }| available),
            capacity: seen.map(|SignalObservation { capacity, .. }| capacity),
            thresholds: policy
                .thresholds
                .iter()
                .filter(|t| t.signal == signal)
                .map(level)
                .collect(),
            at_seconds: at.map(|at| at.as_secs_f64()),
            places: places.collect(),
        }
    }

    /// One object; `top` as for [`Answer::text`].
    pub(super) fn json(mut self, top: Option<usize>) -> String {
        self.places.truncate(top.unwrap_or(usize::MAX));
        // Maps with keys that are no strings are all that could fail, and there are none.
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// The state of the signal, a row per pod (the first `top` of them), and who would go.
    pub(super) fn text(&self, top: Option<usize>, paint: Paint) -> String {
        let mut text = self.headline();
        let first = self.places.iter().find(|place| place.passed_over.is_none());
        let mut table = Table::new(&[
            ("#", Align::Right),
            ("POD", Align::Left),
            ("PRIORITY", Align::Right),
            ("USAGE", Align::Right),
            ("REQUEST", Align::Right),
            ("ABOVE REQUEST", Align::Right),
            ("BEFORE THE NEXT", Align::Left),
            ("BARRED", Align::Left),
        ]);
        for place in self.places.iter().take(top.unwrap_or(usize::MAX)) {
            let tone = match place.passed_over {
                Some(_) => Tone::Faint,
                None if first.is_some_and(|first| first.place == place.place) => Tone::Bad,
                None => Tone::Plain,
            };
            table.push_all(tone, self.row(place));
        }
        text.push_str(&table.render(paint));
        let hidden = self.places.len().saturating_sub(top.unwrap_or(usize::MAX));
        // Writing into a string cannot fail.
        let _ = match first {
            Some(Place { namespace, pod, .. }) => writeln!(text, "first to go: {namespace}/{pod}"),
            None => writeln!(text, "nobody may be evicted"),
        };
        if hidden > 0 {
            let _ = writeln!(text, "{hidden} more");
        }
        text
    }

    fn headline(&self) -> String {
        let Self { signal, semantics, .. } = self;
        let mut text = format!("{signal}: ");
        // Writing into a string cannot fail.
        let _ = match (self.available, self.capacity) {
            (Some(available), Some(capacity)) => write!(
                text,
                "{} of {} available",
                Amount::of(*signal, available),
                Amount::of(*signal, capacity)
            ),
            _ => write!(text, "unknown"),
        };
        for level in &self.thresholds {
            let kind = if level.hard { "hard" } else { "soft" };
            let quantity = level.quantity.map(|quantity| Amount::of(*signal, quantity).to_string());
            let quantity = quantity.unwrap_or_else(|| "unknown".to_owned());
            let met = if level.met { ", met" } else { "" };
            let _ = write!(text, "; {kind} threshold {quantity}{met}");
        }
        if self.thresholds.is_empty() {
            text.push_str("; no threshold");
        }
        let _ = write!(text, "; {semantics} semantics");
        if let Some(at) = self.at_seconds {
            let _ = write!(text, "; {at:.3} s into the trace");
        }
        text.push('\n');
        text
    }

    fn row(&self, place: &Place) -> Vec<String> {
        let amount = |units: Option<i128>| {
            units.map_or_else(|| "unknown".to_owned(), |n| Amount::of(self.signal, n).to_string())
        };
        vec![
            place.place.to_string(),
            format!("{}/{}", place.namespace, place.pod),
            place.priority.to_string(),
            amount(place.usage.map(i128::from)),
            place.request.map_or_else(|| "-".to_owned(), |n| amount(Some(n.into()))),
            amount(place.above_request.map(i128::from)),
            place.why.clone().unwrap_or_else(|| "last".to_owned()),
            place.passed_over.unwrap_or_default().to_owned(),
        ]
    }
}

fn name<S: serde::Serializer>(signal: &Signal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(signal.name())
}
