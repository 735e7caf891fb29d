//! Latencies as quantiles and as small text bars.

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency told apart, nanoseconds: one minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// Upper edges of the bars, microseconds.
const EDGES_US: [u64; 14] = [
    50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    60_000_000,
];
/// Width of the longest bar.
const WIDTH: u64 = 40;

/// Figures of one latency over many incidents.
#[derive(Debug)]
pub struct Latency(Histogram<u64>);

/// Quantiles in milliseconds (or in whatever the values were, see [`Latency::raw_summary`]).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of values.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl Latency {
    /// An empty one.
    pub fn new() -> Result<Self> {
        let made = Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Ok(Self(made.map_err(|e| anyhow!("histogram: {e}"))?))
    }

    /// Adds milliseconds. One before the observer's stamp counts as no time at all.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    pub fn add_ms(&mut self, ms: f64) {
        self.add((ms.max(0.0) * 1e6) as u64);
    }

    /// Adds a value in any unit.
    pub fn add(&mut self, value: u64) {
        self.0.saturating_record(value.max(1));
    }

    /// Quantiles of values added as milliseconds; `None` without values.
    pub fn summary(&self) -> Option<Summary> {
        self.scaled(1e-6)
    }

    /// Quantiles in the values' own unit.
    pub fn raw_summary(&self) -> Option<Summary> {
        self.scaled(1.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "three digits are kept")]
    fn scaled(&self, by: f64) -> Option<Summary> {
        let at = |q| (self.0.value_at_quantile(q) as f64 * by * 1e6).round() / 1e6;
        let max = (self.0.max() as f64 * by * 1e6).round() / 1e6;
        (!self.0.is_empty()).then(|| Summary {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max,
        })
    }

    /// One line a bucket, from the first that is not empty to the last.
    pub fn bars(&self) -> Vec<String> {
        let mut low = 0;
        let mut counts = Vec::new();
        for edge in EDGES_US {
            let high = edge * 1000;
            counts.push((edge, self.0.count_between(low, high - 1)));
            low = high;
        }
        let Some(first) = counts.iter().position(|&(_, n)| n > 0) else {
            return Vec::new();
        };
        let last = counts.iter().rposition(|&(_, n)| n > 0).unwrap_or(first);
        let most = counts.iter().map(|&(_, n)| n).max().unwrap_or(1).max(1);
        let bar = |&(edge, n): &(u64, u64)| {
            let length = usize::try_from((n * WIDTH).div_ceil(most)).unwrap_or(0);
            format!("< {:>8}  {:<40}  {n}", edge_name(edge), "#".repeat(length))
        };
        counts[first..=last].iter().map(bar).collect()
    }
}

fn edge_name(us: u64) -> String {
    match us {
        0..1000 => format!("{us} us"),
        1000..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{} s", us / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_keep_three_digits() {
        let mut latency = Latency::new().unwrap();
        assert_eq!(latency.summary(), None);
        for ms in [-0.1, 1.0, 1.0, 8.0] {
            latency.add_ms(ms);
        }
        let summary = latency.summary().unwrap();
        assert_eq!(summary.count, 4);
        assert!(
            (summary.p50 - 1.0).abs() < 0.01 && (summary.max - 8.0).abs() < 0.01,
            "{summary:?}"
        );
    }

    #[test]
    fn bars_span_the_filled_buckets() {
        let mut latency = Latency::new().unwrap();
        for ms in [0.7, 0.8, 4.0] {
            latency.add_ms(ms);
        }
        let bars = latency.bars();
        assert_eq!(bars.len(), 3);
        assert!(bars[0].starts_with("<     1 ms  ####"), "{}", bars[0]);
        assert!(bars[0].ends_with("  2") && bars[1].ends_with("  0") && bars[2].ends_with("  1"));
    }
}
