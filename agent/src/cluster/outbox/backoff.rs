//! Waiting longer after each failure, and not all nodes at once.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait after that many failures: doubled each time up to half a minute. `random` chooses
/// between half of it and all of it, so that nodes that failed together do not come back together.
pub fn backoff(failures: u32, random: u64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let half = doubled.min(LONGEST) / 2;
    let part = u32::try_from(random % 1024).unwrap_or_default();
    half + half * part / 1024
}

/// Any number; good enough for [`backoff`].
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let cases = [
            (0, 250, "never failed"),
            (1, 250, "once"),
            (2, 500, "twice"),
            (5, 4000, "five times"),
            (8, 30_000, "as long as it gets"),
            (u32::MAX, 30_000, "for ever"),
        ];
        for (failures, longest_ms, name) in cases {
            let longest = Duration::from_millis(longest_ms);
            assert_eq!(backoff(failures, 0), longest / 2, "{name}");
            for random in [1, 512, 1023, u64::MAX] {
                let wait = backoff(failures, random);
                assert!(wait > longest / 2 && wait < longest, "{name}: {wait:?}");
            }
        }
    }

    #[test]
    fn waits_differ() {
        let first = random();
        assert!((0..8).any(|_| random() != first));
    }
}
