//! How soon to look again.

use std::time::Duration;

/// The fastest memory is assumed to be filled when nothing faster was measured: 2 GiB/s.
pub const WORST_FILL_RATE: u64 = 2 << 30;

/// The shortest and the longest wait between two looks at memory.
pub const MEMORY_LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// The wait until the next look at memory: half of the headroom (bytes) used up at the faster of the
/// measured rate (bytes per second) and [`WORST_FILL_RATE`], within [`MEMORY_LOOK`].
pub fn memory_look(headroom: u64, measured_rate: u64) -> Duration {
    look(headroom, measured_rate.max(WORST_FILL_RATE))
}

/// The fastest tasks are assumed to be made when nothing faster was measured, a second.
pub const WORST_FORK_RATE: u64 = 100_000;

/// As [`memory_look`], for a headroom of tasks that nobody counts.
pub fn task_look(headroom: u64, measured_rate: u64) -> Duration {
    look(headroom, measured_rate.max(WORST_FORK_RATE))
}

fn look(headroom: u64, rate: u64) -> Duration {
    let nanos = u128::from(headroom / 2) * 1_000_000_000 / u128::from(rate);
    let (shortest, longest) = MEMORY_LOOK;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).clamp(shortest, longest)
}

/// The budget of a tripwire: half the way to the nearest threshold, at least 1, in the unit of the
/// headroom.
pub const fn tripwire_budget(headroom: u64) -> u64 {
    if headroom < 2 { 1 } else { headroom / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_looked_at_before_half_of_the_headroom_can_be_gone() {
        let gib = 1 << 30;
        let cases = [
            ("none left", 0, 0, Duration::from_millis(5)),
            ("little left", 10 << 20, 0, Duration::from_millis(5)),
            ("1 GiB at the assumed rate", gib, 0, Duration::from_millis(250)),
            ("a slow fill does not stretch it", gib, 1 << 20, Duration::from_millis(250)),
            ("a faster fill shortens it", gib, 4 * gib, Duration::from_millis(125)),
            ("plenty", 64 * gib, 0, Duration::from_secs(1)),
            ("extremes", u64::MAX, u64::MAX, Duration::from_millis(500)),
        ];
        for (name, headroom, rate, wait) in cases {
            let got = memory_look(headroom, rate);
            assert!(got.abs_diff(wait) < Duration::from_micros(1), "{name}: {got:?}");
        }
    }

    #[test]
    fn tasks_are_looked_at_before_half_of_the_headroom_can_be_gone() {
        let cases = [
            ("none left", 0, 0, 5),
            ("a small node", 2000, 0, 10),
            ("the usual limit", 32_768, 0, 163),
            ("faster than assumed", 32_768, 400_000, 40),
            ("plenty", 4_194_304, 0, 1000),
        ];
        for (name, headroom, rate, wait) in cases {
            assert_eq!(task_look(headroom, rate).as_millis(), wait, "{name}");
        }
    }

    #[test]
    fn a_tripwire_fires_at_half_the_way() {
        let cases = [(0, 1), (1, 1), (2, 1), (3, 1), (100, 50), (u64::MAX, u64::MAX / 2)];
        for (headroom, budget) in cases {
            assert_eq!(tripwire_budget(headroom), budget);
        }
    }
}
