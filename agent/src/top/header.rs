//! The lines above and below the table, for text and screen alike.

use super::{escape::escape, snapshot::Snapshot, units};
use crate::{
    answer::Tone,
    state::{SignalState, Source, ThresholdKind, ThresholdState, Unit},
};

/// One signal, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalLine {
    /// `nodefs.available  200M of 512M`
    pub amount: String,
    /// How many of [`BAR`] cells are full: all when nothing is used, none when a hard threshold is met.
    pub filled: Option<usize>,
    /// Good is far; fair is less than a third of the way, or met within ten minutes; bad is less than a
    /// tenth, met within a minute, or met.
    pub tone: Tone,
    /// Thresholds and time.
    pub thresholds: String,
}

/// Cells of a bar.
pub const BAR: usize = 10;

/// Who reads, and over which interval.
pub fn title(snapshot: &Snapshot) -> String {
    let from = match &snapshot.source {
        Source::Agent { pid, version, mode } => {
            format!("evictd {} (process {pid}, {})", escape(version), escape(mode))
        }
        Source::OwnProbes { configuration } => {
            format!("own probes, no evictd answers; {}", escape(configuration))
        }
    };
    format!("source: {from}; interval {}", units::seconds(snapshot.interval_seconds))
}

/// The conditions, where they are kept.
pub fn conditions(snapshot: &Snapshot) -> Option<String> {
    let conditions = snapshot.node.conditions.as_ref()?;
    let names = conditions.iter().map(|name| escape(name)).collect::<Vec<_>>().join(", ");
    Some(format!("conditions: {}", if names.is_empty() { "none" } else { &names }))
}

/// Every signal that has a threshold.
pub fn signals(snapshot: &Snapshot) -> Vec<SignalLine> {
    let watched = snapshot.node.signals.iter().filter(|signal| !signal.thresholds.is_empty());
    watched.map(|signal| line(signal, snapshot.soon.get(&signal.signal).copied())).collect()
}

/// What is unknown for everybody, and why.
pub fn missing(snapshot: &Snapshot) -> Vec<String> {
    let told = snapshot.missing.iter();
    told.map(|m| format!("? {}: {}", m.columns.join(", "), escape(&m.reason))).collect()
}

/// `soon`: seconds to the nearest threshold, if it is being used up.
fn line(signal: &SignalState, soon: Option<f64>) -> SignalLine {
    let amount = |amount: Option<i64>| amount.map_or("?".to_owned(), |n| figure(n, signal.unit));
    let left = share_left(signal);
    let thresholds: Vec<String> =
        signal.thresholds.iter().map(|threshold| below(threshold, signal.unit)).collect();
    let time = match soon {
        Some(seconds) if seconds > 0.0 => format!("; in {}", units::seconds(seconds)),
        Some(_) | None => String::new(),
    };
    SignalLine {
        amount: format!(
            "{:<27} {:>6} of {:<6}",
            escape(&signal.signal),
            amount(signal.available),
            amount(signal.capacity)
        ),
        // One cell as long as anything is left.
        filled: left.map(|left| {
            let cells = (left * BAR as f64).round() as usize;
            cells.clamp(usize::from(left > 0.0), BAR)
        }),
        tone: tone(signal, left, soon),
        thresholds: format!("{}{time}", thresholds.join(", ")),
    }
}

fn below(threshold: &ThresholdState, unit: Unit) -> String {
    let quantity = threshold.quantity.map_or("?".to_owned(), |quantity| figure(quantity, unit));
    let kind = match threshold.kind {
        ThresholdKind::Hard => "hard".to_owned(),
        ThresholdKind::Soft => format!("soft {}", units::seconds(threshold.grace_seconds)),
    };
    let met = if threshold.met == Some(true) { " MET" } else { "" };
    format!("{kind} < {quantity}{met}")
}

/// How much of what lies above the highest hard threshold (or any, without a hard one) is left.
fn share_left(signal: &SignalState) -> Option<f64> {
    let (available, capacity) = (signal.available?, signal.capacity?);
    let of_kind = |kind| signal.thresholds.iter().filter(move |threshold| threshold.kind == kind);
    let highest = |kind| of_kind(kind).filter_map(|threshold| threshold.quantity).max();
    let quantity = highest(ThresholdKind::Hard).or_else(|| highest(ThresholdKind::Soft))?;
    let (room, left) = (capacity as f64 - quantity as f64, available as f64 - quantity as f64);
    Some(if room > 0.0 { (left / room).clamp(0.0, 1.0) } else { 0.0 })
}

fn tone(signal: &SignalState, left: Option<f64>, soon: Option<f64>) -> Tone {
    let Some(left) = left else {
        return Tone::Plain;
    };
    let soon = soon.unwrap_or(f64::INFINITY);
    let met = signal.thresholds.iter().any(|threshold| threshold.met == Some(true));
    if met || left < 0.1 || soon < 60.0 {
        Tone::Bad
    } else if left < 1.0 / 3.0 || soon < 600.0 {
        Tone::Fair
    } else {
        Tone::Good
    }
}

fn figure(amount: i64, unit: Unit) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let magnitude = amount.unsigned_abs();
    match unit {
        Unit::Bytes => format!("{sign}{}", units::bytes(magnitude)),
        Unit::Inodes | Unit::Tasks => format!("{sign}{}", units::count(magnitude)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::sample;

    #[test]
    fn signals_are_told_with_distance_and_time() {
        let lines = signals(&sample::snapshot());
        assert_eq!(lines[0].amount, "nodefs.available              200M of 512M  ");
        assert_eq!(lines[0].thresholds, "hard < 128M, soft 90 s < 256M MET; in 6.0 s");
        assert_eq!((lines[0].filled, lines[0].tone), (Some(2), Tone::Bad));
        assert_eq!(lines[1].amount, "pid.available                    ? of ?     ");
        assert_eq!((lines[1].filled, lines[1].tone), (None, Tone::Plain));
        assert_eq!(lines[1].thresholds, "hard < ?");
    }

    #[test]
    fn colours_follow_distance_and_time() {
        let cases = [
            ("far", 500, None, Tone::Good),
            ("far and slow", 500, Some(601.0), Tone::Good),
            ("far but fast", 500, Some(599.0), Tone::Fair),
            ("a third", 250, None, Tone::Fair),
            ("soon", 500, Some(59.0), Tone::Bad),
            ("near", 160, None, Tone::Bad),
        ];
        for (name, mib, soon, expected) in cases {
            let mut signal = sample::node().signals.remove(0);
            signal.thresholds.truncate(1);
            signal.available = Some(mib << 20);
            assert_eq!(line(&signal, soon).tone, expected, "{name}");
        }
    }
}
