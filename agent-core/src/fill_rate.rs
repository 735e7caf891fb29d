//! How fast a signal's resource is being used up.

use crate::{MonoTime, SignalObservation};

/// Estimates consumption from successive samples: follows a faster fill at once, forgets it slowly.
#[derive(Clone, Copy, Debug, Default)]
pub struct FillRate {
    last: Option<(MonoTime, SignalObservation)>,
    per_second: u64,
}

impl FillRate {
    /// Takes a sample seen at `now` (its own time wins if it has one). Samples that are not newer
    /// than the last are ignored; a changed capacity drops the history, for it is another thing then.
    pub fn observe(&mut self, seen: SignalObservation, now: MonoTime) {
        let at = seen.at.unwrap_or(now);
        let Some((before, last)) = self.last.filter(|(_, last)| last.capacity == seen.capacity)
        else {
            *self = Self { last: Some((at, seen)), per_second: 0 };
            return;
        };
        let nanos = at.since(before).as_nanos();
        if nanos == 0 {
            return;
        }
        if self.per_second == 0 && seen.available >= last.available {
            self.last = Some((at, seen));
            return;
        }
        let used = (i128::from(last.available) - i128::from(seen.available)).max(0);
        let current = used.unsigned_abs().saturating_mul(SECOND) / nanos;
        // Halves after one second without news, quarters (nearly) after three.
        let remembered = u128::from(self.per_second) * SECOND / (SECOND + nanos);
        self.per_second = u64::try_from(current.max(remembered)).unwrap_or(u64::MAX);
        self.last = Some((at, seen));
    }

    /// Units used per second.
    pub const fn per_second(&self) -> u64 {
        self.per_second
    }
}

const SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_fill_and_forgets_it() {
        let mut rate = FillRate::default();
        let steps = [
            ("first sample", 0, 1000, 5000, 0),
            ("half a second", 500, 900, 5000, 200),
            ("same time again", 500, 0, 5000, 200),
            ("older", 400, 0, 5000, 200),
            ("still", 1500, 900, 5000, 100),
            ("freed", 2500, 2000, 5000, 50),
            ("faster", 2600, 1000, 5000, 10_000),
            ("another capacity", 2700, 0, 9000, 0),
        ];
        for (name, millis, available, capacity, expected) in steps {
            let at = MonoTime::from_nanos(millis * 1_000_000);
            rate.observe(SignalObservation { available, capacity, at: Some(at) }, at);
            assert_eq!(rate.per_second(), expected, "{name}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut rate = FillRate::default();
        for (nanos, available) in [(0, i64::MAX), (1, i64::MIN), (u64::MAX, i64::MAX)] {
            let at = MonoTime::from_nanos(nanos);
            rate.observe(SignalObservation { available, capacity: 0, at: None }, at);
        }
        assert!(rate.per_second() > 0);
    }
}
