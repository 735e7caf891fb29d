//! Keeping a tripwire from waking evictd all the time.

use std::time::Duration;

use evictd_core::MonoTime;

/// A budget that is used up sooner than this, at the rate seen last, is a short one.
const GAP: Duration = Duration::from_millis(5);

/// Short budgets are paid for: an incident needs a few, one after the other, to be seen at once; a
/// writer that hovers just above a threshold (overwriting in place, say) would need one per MiB.
const PRICE: Duration = Duration::from_millis(10);

/// What can be saved up for them: this many short budgets in a row.
const SAVINGS: Duration = Duration::from_millis(500);

/// Looks closer together than this tell no rate.
const LEAST_INTERVAL: Duration = Duration::from_micros(100);

/// How fast a budget is used, and what is left to spend on short ones. In a storm a tripwire wakes
/// some 300 times a second: 200 gaps, and 100 short budgets that the time pays for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When and at what count it was measured last.
    measured: Option<(MonoTime, i64)>,
    /// What is used in [`GAP`].
    per_gap: u64,
    savings: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { measured: None, per_gap: 0, savings: SAVINGS }
    }
}

impl Pace {
    /// Notes that `spent` had been used by `at`. A rate is believed at once and forgotten by halves,
    /// so that one quiet look does not let a storm through.
    pub fn note(&mut self, spent: i64, at: MonoTime) {
        if let Some((then, before)) = self.measured {
            let interval = at.since(then);
            if interval < LEAST_INTERVAL {
                return;
            }
            let used = u128::try_from(spent.saturating_sub(before)).unwrap_or(0);
            let per_gap = used * GAP.as_nanos() / interval.as_nanos();
            self.per_gap = u64::try_from(per_gap).unwrap_or(u64::MAX).max(self.per_gap / 2);
            self.savings = self.savings.saturating_add(interval).min(SAVINGS);
        }
        self.measured = Some((at, spent));
    }

    /// The budget to arm where `wanted` would be right.
    pub fn limit(&mut self, wanted: u64) -> u64 {
        if wanted >= self.per_gap {
            return wanted;
        }
        match self.savings.checked_sub(PRICE) {
            Some(left) => {
                self.savings = left;
                wanted
            }
            None => self.per_gap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST_BYTES: u64 = 1 << 20;

    /// Wakes in the second after the first, and the largest budget, with a writer of `rate` bytes a
    /// second that hovers just above a threshold; each look takes `look`.
    fn storm(rate: u64, look: Duration) -> (u32, u64) {
        let second = |n: u64| MonoTime::from_nanos(n * 1_000_000_000);
        let (mut pace, mut at, mut wakes, mut largest) = (Pace::default(), second(0), 0, 0);
        let spent = |at: MonoTime| {
            i64::try_from(u128::from(rate) * u128::from(at.as_nanos()) / 1_000_000_000).unwrap()
        };
        while at < second(2) {
            pace.note(spent(at), at);
            let budget = pace.limit(LEAST_BYTES);
            largest = budget.max(largest);
            wakes += u32::from(at >= second(1));
            let used = u128::from(budget) * 1_000_000_000 / u128::from(rate);
            at = at.after(look.max(Duration::from_nanos(u64::try_from(used).unwrap())));
        }
        (wakes, largest)
    }

    #[test]
    fn a_writer_just_above_a_threshold_wakes_three_hundred_times_a_second_at_most() {
        for (name, rate) in [("slow", 10 << 20), ("disk", 500 << 20), ("memory", 10_u64 << 30)] {
            for look in [Duration::from_micros(20), Duration::from_millis(2)] {
                let (wakes, largest) = storm(rate, look);
                assert!(wakes <= 310, "{name}: {wakes} wakes");
                let in_a_gap = LEAST_BYTES.max(rate / 200);
                assert!(largest <= in_a_gap + in_a_gap / 100, "{name}: budget of {largest}");
            }
        }
    }

    #[test]
    fn an_incident_gets_the_budgets_it_wants() {
        let mut pace = Pace::default();
        pace.note(0, MonoTime::from_nanos(0));
        pace.note(100, MonoTime::from_nanos(1_000_000));
        for wanted in [64, 32, 16, 8, 4, 2, 1, 1] {
            assert_eq!(pace.limit(wanted), wanted, "500 in a gap");
        }
    }

    #[test]
    fn a_quiet_look_halves_the_pace_and_none_is_taken_from_looks_close_together() {
        let at = |micros: u64| MonoTime::from_nanos(1_000 * micros);
        let mut pace = Pace::default();
        pace.note(0, at(0));
        pace.note(1_000_000, at(1_000));
        assert_eq!(pace.per_gap, 5_000_000);
        pace.note(1_000_000, at(1_050));
        assert_eq!(pace.per_gap, 5_000_000, "too close");
        pace.note(1_000_000, at(2_000));
        assert_eq!(pace.per_gap, 2_500_000, "quiet");
    }
}
