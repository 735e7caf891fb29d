//! How soon thresholds will be met, as people are shown it.
//!
//! The evaluator's forecast follows the fastest moment, as it must. On a small disk a burst of a second would
//! make a threshold seem near and be gone again with the next picture. So the header counts on what went on
//! for two intervals: on the slower of them.

use std::collections::BTreeMap;

use crate::state::{Reading, SignalState};

/// Remembers how fast each signal was used up in the last interval.
#[derive(Debug, Default)]
pub struct Soon {
    /// Units a second.
    used: BTreeMap<String, f64>,
    told: BTreeMap<String, f64>,
}

impl Soon {
    /// Seconds to the nearest threshold ahead, by signal, of those that are being used up. In the first
    /// interval that alone counts.
    pub fn after(&mut self, before: &Reading, now: &Reading) -> BTreeMap<String, f64> {
        // A running evictd publishes once a second: the same figures twice are no news.
        if before.node == now.node {
            return self.told.clone();
        }
        let seconds = now.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
        let mut told = BTreeMap::new();
        for signal in &now.node.signals {
            let then = before.node.signals.iter().find(|then| then.signal == signal.signal);
            let Some(used) = then.and_then(|then| used(then, signal)).filter(|_| seconds > 0.0)
            else {
                self.used.remove(&signal.signal);
                continue;
            };
            let rate = used / seconds;
            let last = self.used.insert(signal.signal.clone(), rate).unwrap_or(rate);
            let slower = rate.min(last);
            if let Some(left) = headroom(signal).filter(|_| slower > 0.0) {
                told.insert(signal.signal.clone(), left / slower);
            }
        }
        self.told.clone_from(&told);
        told
    }
}

/// How much of a signal was used up in between; `None` if it cannot be told.
fn used(then: &SignalState, now: &SignalState) -> Option<f64> {
    if then.capacity != now.capacity {
        return None;
    }
    Some((then.available?.saturating_sub(now.available?)).max(0) as f64)
}

/// What is left above the nearest threshold that is not met; `None` if there is none.
fn headroom(signal: &SignalState) -> Option<f64> {
    let ahead = signal.thresholds.iter().filter(|threshold| threshold.met == Some(false));
    let nearest = ahead.filter_map(|threshold| threshold.quantity).max()?;
    Some(signal.available?.saturating_sub(nearest) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::sample;

    fn at(second: u64, mib: i64) -> Reading {
        let mut reading = sample::reading(second, vec![], vec![]);
        let nodefs = &mut reading.node.signals[0];
        nodefs.available = Some(mib << 20);
        nodefs.thresholds.truncate(1);
        reading
    }

    /// Seconds shown after each interval of a second, on a disk whose threshold is at 128 MiB.
    fn shown(mib: &[i64]) -> Vec<Option<f64>> {
        let mut soon = Soon::default();
        let readings: Vec<Reading> = (1..).zip(mib).map(|(second, mib)| at(second, *mib)).collect();
        let pairs = readings.windows(2);
        pairs.map(|pair| soon.after(&pair[0], &pair[1]).get("nodefs.available").copied()).collect()
    }

    #[test]
    fn a_burst_of_one_interval_is_not_shown_and_a_fill_is() {
        let cases = [
            ("still", vec![400, 400, 400], vec![None, None]),
            ("first picture", vec![400, 328], vec![Some(200.0 / 72.0)]),
            ("a burst", vec![400, 401, 301, 302, 303], vec![None, None, None, None]),
            ("a fill", vec![400, 401, 391, 381, 371], vec![None, None, Some(25.3), Some(24.3)]),
            ("faster and faster", vec![400, 390, 300], vec![Some(26.2), Some(17.2)]),
        ];
        for (name, mib, expected) in cases {
            assert_eq!(shown(&mib), expected, "{name}");
        }
    }

    #[test]
    fn the_same_publication_twice_is_no_news() {
        let mut soon = Soon::default();
        let [a, b, mut c, d] = [at(1, 400), at(2, 390), at(3, 390), at(4, 380)];
        let first = soon.after(&a, &b);
        assert_eq!(soon.after(&b, &c), first);
        c.at_ns += 1;
        assert_eq!(soon.after(&c, &d)["nodefs.available"], (380.0 - 128.0) / 10.0);
    }
}
