//! How often evictd woke, and how fast it decided.

use std::collections::BTreeMap;

use evictd_core::MonoTime;
use hdrhistogram::Histogram as Hdr;

use super::{
    inbox::Wake,
    record::{Histogram, WokenBy},
};

/// Longer decisions count as this long: ten seconds.
const LONGEST: u64 = 10_000_000_000;

/// Counts since start.
#[derive(Debug)]
pub struct Tally {
    wakes: BTreeMap<WokenBy, u64>,
    /// Nanoseconds from the kernel's record to the end of the evaluation.
    decisions: Option<Hdr<u64>>,
    /// Nanoseconds from a cgroup's making to its being known.
    known: Option<Hdr<u64>>,
}

impl Default for Tally {
    fn default() -> Self {
        // The bounds are constants that hdrhistogram accepts.
        let histogram = || Hdr::new_with_max(LONGEST, 3).ok();
        Self { wakes: BTreeMap::new(), decisions: histogram(), known: histogram() }
    }
}

impl Tally {
    /// Counts one wake-up whose evaluation ended at `now`.
    pub fn count(&mut self, wake: Wake, now: MonoTime) {
        *self.wakes.entry(wake.by).or_default() += 1;
        if let Some(event) = wake.event_ns {
            record(&mut self.decisions, event, now);
        }
    }

    /// Counts cgroups that were made then and are known `now`.
    pub fn count_known(&mut self, made_ns: &[u64], now: MonoTime) {
        for made in made_ns {
            record(&mut self.known, *made, now);
        }
    }

    /// Wake-ups by reason.
    pub const fn wakes(&self) -> &BTreeMap<WokenBy, u64> {
        &self.wakes
    }

    /// From the kernel's record to the end of the evaluation.
    pub fn decisions(&self) -> Histogram {
        summary(self.decisions.as_ref())
    }

    /// From a cgroup's making to its being known.
    pub fn known(&self) -> Histogram {
        summary(self.known.as_ref())
    }
}

fn record(into: &mut Option<Hdr<u64>>, from_ns: u64, now: MonoTime) {
    if let Some(histogram) = into {
        let nanos = now.since(MonoTime::from_nanos(from_ns)).as_nanos();
        histogram.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
    }
}

fn summary(histogram: Option<&Hdr<u64>>) -> Histogram {
    let Some(histogram) = histogram.filter(|histogram| !histogram.is_empty()) else {
        return Histogram::default();
    };
    Histogram {
        count: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}
