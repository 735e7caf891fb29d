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
}

impl Default for Tally {
    fn default() -> Self {
        // The bounds are constants that hdrhistogram accepts.
        Self { wakes: BTreeMap::new(), decisions: Hdr::new_with_max(LONGEST, 3).ok() }
    }
}

impl Tally {
    /// Counts one wake-up whose evaluation ended at `now`.
    pub fn count(&mut self, wake: Wake, now: MonoTime) {
        *self.wakes.entry(wake.by).or_default() += 1;
        if let (Some(event), Some(decisions)) = (wake.event_ns, &mut self.decisions) {
            decisions.saturating_record(now.since(MonoTime::from_nanos(event)).as_nanos() as u64);
        }
    }

    /// Wake-ups by reason.
    pub const fn wakes(&self) -> &BTreeMap<WokenBy, u64> {
        &self.wakes
    }

    /// From the kernel's record to the end of the evaluation.
    pub fn decisions(&self) -> Histogram {
        let Some(decisions) = self.decisions.as_ref().filter(|decisions| !decisions.is_empty())
        else {
            return Histogram::default();
        };
        Histogram {
            count: decisions.len(),
            p50: decisions.value_at_quantile(0.5),
            p90: decisions.value_at_quantile(0.9),
            p99: decisions.value_at_quantile(0.99),
            max: decisions.max(),
        }
    }
}
