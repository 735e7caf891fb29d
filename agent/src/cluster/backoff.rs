//! How long to wait before something that failed is tried again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Doubles from one failure to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// After so many failures in a row, with a share of chance, so that many nodes do not ask at once.
    pub(super) fn after(self, failures: u32) -> Duration {
        jittered(self.exact(failures), chance())
    }

    /// The same without chance.
    pub(super) fn exact(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// Up to a quarter longer, by `chance`.
pub(super) fn jittered(wait: Duration, chance: u32) -> Duration {
    let most = wait / 4;
    wait.saturating_add(most.mul_f64(f64::from(chance) / f64::from(u32::MAX)))
}

/// A number nobody can foresee; not for secrets.
pub(super) fn chance() -> u32 {
    let hash = RandomState::new().hash_one(0_u8);
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(10) };
        let cases = [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (u32::MAX, 10)];
        for (failures, seconds) in cases {
            assert_eq!(backoff.exact(failures), Duration::from_secs(seconds), "{failures}");
        }
    }

    #[test]
    fn chance_lengthens_by_a_quarter_at_most() {
        let wait = Duration::from_secs(8);
        assert_eq!(jittered(wait, 0), wait);
        assert_eq!(jittered(wait, u32::MAX), Duration::from_secs(10));
    }
}
