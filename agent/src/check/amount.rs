//! Amounts of a signal, for people.

use std::{fmt, time::Duration};

use evictd_core::{Resource, Signal, Threshold, ThresholdValue};

/// An amount in the signal's unit: `1.5 GiB`, `838860 inodes`, `128 tasks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Signal, pub i64);

impl Amount {
    /// To the last digit: `1610612736 bytes`.
    pub fn exact(self) -> String {
        format!("{} {}", self.1, unit(self.0))
    }

    /// Without the unit where that is not bytes, for a column under the signal's name.
    pub fn short(self) -> String {
        match unit(self.0) {
            "bytes" => self.to_string(),
            _ => self.1.to_string(),
        }
    }
}

/// What a signal is counted in.
pub const fn unit(signal: Signal) -> &'static str {
    match signal.resource() {
        Resource::Memory | Resource::EphemeralStorage => "bytes",
        Resource::Inodes => "inodes",
        Resource::Pids => "tasks",
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let magnitude = self.1.unsigned_abs();
        if unit(self.0) != "bytes" || magnitude < 1024 {
            return f.write_str(&self.exact());
        }
        let power = (magnitude.ilog2() / 10).clamp(1, 6);
        let number = self.1 as f64 / 1024_f64.powi(power.cast_signed());
        let suffix = UNITS.get(power as usize - 1).unwrap_or(&"EiB");
        write!(f, "{number:.1} {suffix}")
    }
}

/// What a threshold comes to where there is `capacity`; where that is unknown, its share.
pub fn below(threshold: &Threshold, capacity: Option<i64>) -> String {
    match (threshold.value, capacity) {
        (ThresholdValue::Percentage(share), None) => {
            // Single precision has seven digits; the last is not worth showing.
            let hundredths = (f64::from(share) * 1e6).round() / 1e4;
            format!("{hundredths} %")
        }
        (ThresholdValue::Quantity(quantity), None) => {
            Amount(threshold.signal, quantity.value()).to_string()
        }
        (_, Some(capacity)) => Amount(threshold.signal, threshold.quantity(capacity)).to_string(),
    }
}

/// A length of time as Go and Kubernetes write it: `1m30s`.
pub fn span(time: Duration) -> String {
    let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
    let mut text = String::new();
    for (amount, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm')] {
        if amount > 0 {
            text.push_str(&format!("{amount}{unit}"));
        }
    }
    if nanos > 0 {
        text.push_str(&format!("{}s", (seconds % 60) as f64 + f64::from(nanos) / 1e9));
    } else if seconds % 60 > 0 || text.is_empty() {
        text.push_str(&format!("{}s", seconds % 60));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        use Signal::{MemoryAvailable, NodefsInodesFree, PidAvailable};
        let cases = [
            (MemoryAvailable, 0, "0 bytes", "0 bytes"),
            (MemoryAvailable, 1023, "1023 bytes", "1023 bytes"),
            (MemoryAvailable, 1024, "1.0 KiB", "1.0 KiB"),
            (MemoryAvailable, 1536 << 20, "1.5 GiB", "1.5 GiB"),
            (MemoryAvailable, -(700 << 20), "-700.0 MiB", "-700.0 MiB"),
            (MemoryAvailable, i64::MIN, "-8.0 EiB", "-8.0 EiB"),
            (NodefsInodesFree, 838_860, "838860 inodes", "838860"),
            (PidAvailable, -5, "-5 tasks", "-5"),
        ];
        for (signal, amount, long, short) in cases {
            assert_eq!(Amount(signal, amount).to_string(), long);
            assert_eq!(Amount(signal, amount).short(), short);
        }
    }

    #[test]
    fn spans_are_written_as_go_does() {
        for (millis, text) in [
            (0, "0s"),
            (250, "0.25s"),
            (30_000, "30s"),
            (60_000, "1m"),
            (90_500, "1m30.5s"),
            (3_600_000, "1h"),
            (5_400_000, "1h30m"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
