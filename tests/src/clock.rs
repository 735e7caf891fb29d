//! The clock everything is stamped with.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of evictd's records.
pub fn mono_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// `later - earlier` in milliseconds; below zero when `later` is the earlier one.
#[expect(clippy::cast_precision_loss, reason = "spans of seconds fit an f64 to the nanosecond")]
pub fn ms_between(earlier: u64, later: u64) -> f64 {
    if later >= earlier {
        (later - earlier) as f64 / 1e6
    } else {
        -((earlier - later) as f64) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_signed_milliseconds() {
        for (name, earlier, later, ms) in [
            ("forward", 1_000_000, 3_500_000, 2.5),
            ("backward", 3_500_000, 1_000_000, -2.5),
            ("none", 7, 7, 0.0),
        ] {
            assert!((ms_between(earlier, later) - ms).abs() < 1e-9, "{name}");
        }
    }
}
