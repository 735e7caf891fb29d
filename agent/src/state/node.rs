//! The node's signals beside their thresholds.

use evictd_core::{
    Forecast, MonoTime, NodeConditions, NodeSignals, Policy, Resource, Signal, Threshold,
};
use serde::{Deserialize, Serialize};

/// The node's header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// Every signal that is seen or has a threshold.
    pub signals: Vec<SignalState>,
    /// The conditions that are reported, by the kubelet's names; `null` where nobody evaluates.
    pub conditions: Option<Vec<String>>,
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalState {
    /// Its name.
    pub signal: String,
    /// What it counts.
    pub unit: Unit,
    /// How much is left; `null` if it cannot be told.
    pub available: Option<i64>,
    /// Of how much.
    pub capacity: Option<i64>,
    /// CLOCK_MONOTONIC when it was sampled, nanoseconds; `null` if it was not.
    #[serde(default)]
    pub sampled_ns: Option<u64>,
    /// How fast it is used up, units a second; 0 when it is not.
    pub used_per_second: u64,
    /// When it meets the nearest threshold ahead if it goes on as it does, seconds; 0 when all are met,
    /// `null` when it is not being used up.
    pub seconds_to_threshold: Option<f64>,
    /// Its thresholds.
    pub thresholds: Vec<ThresholdState>,
}

/// What a signal counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Inodes.
    Inodes,
    /// Tasks.
    Tasks,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdState {
    /// Hard or soft.
    pub kind: ThresholdKind,
    /// Met when less than this is available, in the signal's unit; `null` for a share of something
    /// whose capacity is unknown.
    pub quantity: Option<i64>,
    /// For how long it must be met, seconds; 0 for a hard one.
    pub grace_seconds: f64,
    /// Whether it is met; `null` if the signal is unknown.
    pub met: Option<bool>,
}

/// What meeting a threshold leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdKind {
    /// Eviction at once.
    Hard,
    /// Eviction after a grace period.
    Soft,
}

impl NodeState {
    /// The signals as sampled, the thresholds of `policy`, and how soon they meet. `conditions` where
    /// they are kept.
    pub fn of(
        policy: &Policy,
        forecast: &Forecast,
        signals: &NodeSignals,
        conditions: Option<NodeConditions>,
    ) -> Self {
        let told = Signal::ALL.into_iter().filter(|signal| {
            signals.get(*signal).is_some() || policy.thresholds.iter().any(|t| t.signal == *signal)
        });
        Self {
            signals: told.map(|signal| state(policy, forecast, signals, signal)).collect(),
            conditions: conditions.map(|c| c.iter().map(|c| c.name().to_owned()).collect()),
        }
    }
}

fn state(
    policy: &Policy,
    forecast: &Forecast,
    signals: &NodeSignals,
    signal: Signal,
) -> SignalState {
    let seen = signals.get(signal);
    let threshold = |threshold: &Threshold| ThresholdState {
        kind: if threshold.is_hard() { ThresholdKind::Hard } else { ThresholdKind::Soft },
        quantity: seen.map(|seen| threshold.quantity(seen.capacity)),
        grace_seconds: threshold.grace.as_secs_f64(),
        met: seen.map(|seen| threshold.is_met(seen)),
    };
    let of_signal = policy.thresholds.iter().filter(|threshold| threshold.signal == signal);
    let time = forecast.time_to_threshold(policy, signals, signal);
    SignalState {
        signal: signal.name().to_owned(),
        unit: match signal.resource() {
            Resource::Memory | Resource::EphemeralStorage => Unit::Bytes,
            Resource::Inodes => Unit::Inodes,
            Resource::Pids => Unit::Tasks,
        },
        available: seen.map(|seen| seen.available),
        capacity: seen.map(|seen| seen.capacity),
        sampled_ns: seen.and_then(|seen| seen.at).map(MonoTime::as_nanos),
        used_per_second: forecast.rate(signal),
        seconds_to_threshold: time.map(|time| time.as_secs_f64()),
        thresholds: of_signal.map(threshold).collect(),
    }
}

#[cfg(test)]
mod tests {
    use evictd_core::{EvictionMaps, SignalObservation};

    use super::*;

    #[test]
    fn signals_stand_beside_their_thresholds() {
        let mut maps = EvictionMaps::default();
        maps.hard.insert("nodefs.available".into(), "10%".into());
        maps.hard.insert("pid.available".into(), "100".into());
        maps.soft.insert("nodefs.available".into(), "500".into());
        maps.soft_grace_period.insert("nodefs.available".into(), "90s".into());
        let policy = Policy::parse(&maps).unwrap();
        let mut forecast = Forecast::default();
        let mut signals = NodeSignals::default();
        for (second, available) in [(0, 599), (1, 399)] {
            let at = Some(MonoTime::from_nanos(second * 1_000_000_000));
            let seen = SignalObservation { available, capacity: 1000, at };
            signals.set(Signal::NodefsAvailable, Some(seen));
            forecast.observe(&signals, MonoTime::default());
        }
        let state = NodeState::of(&policy, &forecast, &signals, None);
        let [nodefs, pids] = state.signals.as_slice() else { panic!("{state:?}") };
        assert_eq!((nodefs.signal.as_str(), nodefs.unit), ("nodefs.available", Unit::Bytes));
        assert_eq!((nodefs.available, nodefs.used_per_second), (Some(399), 200));
        assert_eq!(nodefs.seconds_to_threshold, Some(1.5), "to the hard one, 300 away");
        let found: Vec<_> = nodefs
            .thresholds
            .iter()
            .map(|t| (t.kind, t.quantity, t.grace_seconds, t.met))
            .collect();
        assert_eq!(
            found,
            [
                (ThresholdKind::Hard, Some(100), 0.0, Some(false)),
                (ThresholdKind::Soft, Some(500), 90.0, Some(true)),
            ]
        );
        assert_eq!((pids.available, pids.thresholds[0].met), (None, None), "unknown, not met");
    }
}
