//! The node's signals, their thresholds, and how soon these will be met.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Labels;
use crate::state::{Reading, ThresholdKind};

/// Registers them. What is unknown has no series.
pub(super) fn register(registry: &mut Registry, reading: &Reading) {
    let (available, capacity) =
        (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    let (threshold, met) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    let soon = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let age = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for state in &reading.node.signals {
        let labels = vec![("signal", state.signal.clone())];
        if let Some(left) = state.available {
            available.get_or_create(&labels).set(left);
        }
        if let Some(all) = state.capacity {
            capacity.get_or_create(&labels).set(all);
        }
        if let Some(seconds) = state.seconds_to_threshold {
            soon.get_or_create(&labels).set(seconds);
        }
        if let Some(sampled) = state.sampled_ns {
            age.get_or_create(&labels).set(seconds(reading.at_ns.saturating_sub(sampled)));
        }
        for of in &state.thresholds {
            let kind = match of.kind {
                ThresholdKind::Hard => "hard",
                ThresholdKind::Soft => "soft",
            };
            let labels = vec![("signal", state.signal.clone()), ("kind", kind.to_owned())];
            if let Some(quantity) = of.quantity {
                threshold.get_or_create(&labels).set(quantity);
            }
            if let Some(is_met) = of.met {
                met.get_or_create(&labels).set(i64::from(is_met));
            }
        }
    }
    let text = "What is left: bytes, inodes or tasks, as the signal's name says";
    registry.register("signal_available", text, available);
    registry.register("signal_capacity", "Of how much, in the same unit", capacity);
    registry.register("signal_age_seconds", "Time since the signal was sampled", age);
    let text = "Met when less than this is left, in the signal's unit";
    registry.register("threshold", text, threshold);
    registry.register("threshold_met", "1 while it is met.", met);
    let text = "When the nearest threshold ahead is met if all goes on as it does; none while nothing is used up";
    registry.register("time_to_threshold_seconds", text, soon);
    let condition = Family::<Labels, Gauge>::default();
    for name in reading.node.conditions.iter().flatten() {
        condition.get_or_create(&vec![("condition", name.clone())]).set(1);
    }
    registry.register("node_condition", "1 for each condition that is reported.", condition);
}

#[expect(clippy::cast_precision_loss, reason = "an age, not a date")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
