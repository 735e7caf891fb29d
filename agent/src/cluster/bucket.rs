//! A token bucket: so many at once, then no faster than it fills again.

use std::time::Duration;

use evictd_core::MonoTime;

/// Counts what was taken lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: u32,
    /// When the last token that was refilled came.
    filled: MonoTime,
}

/// How much a bucket holds, and how long a token takes to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) burst: u32,
    pub(super) every: Duration,
}

impl Bucket {
    /// A full one.
    pub(super) const fn full(limit: Limit, now: MonoTime) -> Self {
        Self { tokens: limit.burst, filled: now }
    }

    /// True if there was a token.
    pub(super) fn take(&mut self, limit: Limit, now: MonoTime) -> bool {
        let every = limit.every.as_nanos().max(1);
        let came = now.since(self.filled).as_nanos() / every;
        let room = limit.burst.saturating_sub(self.tokens);
        match u32::try_from(came) {
            Ok(came) if came < room => {
                self.tokens += came;
                self.filled = self.filled.after(limit.every.saturating_mul(came));
            }
            Ok(_) | Err(_) => *self = Self::full(limit, now),
        }
        let is_there = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let limit = Limit { burst: 3, every: Duration::from_nanos(10) };
        let mut bucket = Bucket::full(limit, MonoTime::from_nanos(100));
        let takes = [
            ("the burst", 100, true),
            ("the burst", 101, true),
            ("the burst", 102, true),
            ("empty", 109, false),
            ("one came back at 112", 112, true),
            ("none since", 118, false),
            ("the next, ten after the last", 122, true),
            ("full again after long", 1000, true),
            ("full again after long", 1000, true),
            ("full again after long", 1000, true),
            ("but not fuller", 1000, false),
        ];
        for (name, at, expected) in takes {
            assert_eq!(bucket.take(limit, MonoTime::from_nanos(at)), expected, "{name} at {at}");
        }
    }
}
