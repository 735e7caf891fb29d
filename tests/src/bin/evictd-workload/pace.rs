//! Keeps to a rate.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A budget that grows with time; rate 0 is without limit.
pub(crate) struct Pace {
    start: Instant,
    per_second: u64,
    used: u64,
}

impl Pace {
    pub(crate) fn new(per_second: u64) -> Self {
        Self { start: Instant::now(), per_second, used: 0 }
    }

    /// Uses `amount` and waits until it is due.
    pub(crate) fn spend(&mut self, amount: u64) {
        self.used += amount;
        if let Some(nanos) = (self.used * 1_000_000_000).checked_div(self.per_second) {
            let due = self.start + Duration::from_nanos(nanos);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}
