//! How soon each signal will meet a threshold if it goes on as it does.

use std::time::Duration;

use crate::{FillRate, MonoTime, NodeSignals, Policy, Signal};

/// The fill rates of all signals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecast([FillRate; Signal::COUNT]);

impl Forecast {
    /// Takes in the signals as sampled. One that is unknown keeps its rate, which is not renewed and
    /// so goes stale with it.
    pub fn observe(&mut self, signals: &NodeSignals, now: MonoTime) {
        for (rate, signal) in self.0.iter_mut().zip(Signal::ALL) {
            if let Some(seen) = signals.get(signal) {
                rate.observe(seen, now);
            }
        }
    }

    /// How fast `signal` is used up, in its unit per second; 0 when it is not.
    pub const fn rate(&self, signal: Signal) -> u64 {
        self.0[signal.index()].per_second()
    }

    /// When `signal` will meet the nearest threshold that it has not met yet: zero when it has met
    /// every one, `None` when it is unknown, has no threshold or is not being used up.
    pub fn time_to_threshold(
        &self,
        policy: &Policy,
        signals: &NodeSignals,
        signal: Signal,
    ) -> Option<Duration> {
        time_to_use(policy.headroom(signals, signal)?, self.rate(signal))
    }
}

/// How long `headroom` lasts at `rate` a second: no time at all where there is none, for ever (`None`)
/// where nothing is used.
pub(crate) fn time_to_use(headroom: u64, rate: u64) -> Option<Duration> {
    if headroom == 0 {
        return Some(Duration::ZERO);
    }
    let nanos = (u128::from(headroom) * 1_000_000_000).checked_div(u128::from(rate))?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EvictionMaps, SignalObservation};

    const NODEFS: Signal = Signal::NodefsAvailable;

    fn signals(available: Option<i64>, millis: u64) -> NodeSignals {
        let mut signals = NodeSignals::default();
        let at = Some(MonoTime::from_nanos(millis * 1_000_000));
        let seen = available.map(|available| SignalObservation { available, capacity: 5000, at });
        signals.set(NODEFS, seen);
        signals
    }

    #[test]
    fn headroom_lasts_as_long_as_the_rate_says() {
        let mut maps = EvictionMaps::default();
        maps.hard.insert(NODEFS.name().into(), "100".into());
        let watched = Policy::parse(&maps).unwrap();
        let unwatched = Policy::parse(&EvictionMaps::default()).unwrap();
        let cases = [
            ("filling", &watched, [Some(1499), Some(999)], Some(1800)),
            ("at the threshold", &watched, [Some(1100), Some(100)], Some(1)),
            ("met", &watched, [Some(1000), Some(99)], Some(0)),
            ("met and still", &watched, [Some(99), Some(99)], Some(0)),
            ("not filling", &watched, [Some(1000), Some(1000)], None),
            ("emptying", &watched, [Some(1000), Some(2000)], None),
            ("unknown", &watched, [Some(1000), None], None),
            ("seen once", &watched, [None, Some(1000)], None),
            ("no threshold", &unwatched, [Some(1499), Some(999)], None),
        ];
        for (name, policy, seen, millis) in cases {
            let mut forecast = Forecast::default();
            for (second, available) in seen.into_iter().enumerate() {
                let at = second as u64 * 1000;
                forecast.observe(&signals(available, at), MonoTime::from_nanos(at * 1_000_000));
            }
            let time = forecast.time_to_threshold(policy, &signals(seen[1], 1000), NODEFS);
            assert_eq!(time, millis.map(Duration::from_millis), "{name}");
            assert_eq!(
                forecast.time_to_threshold(policy, &signals(seen[1], 1), Signal::PidAvailable),
                None
            );
        }
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(time_to_use(u64::MAX, 1), Some(Duration::from_nanos(u64::MAX)));
        assert_eq!(time_to_use(1, u64::MAX), Some(Duration::ZERO));
        assert_eq!(time_to_use(u64::MAX, 0), None);
    }
}
