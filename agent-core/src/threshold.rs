//! A threshold: below how much of a signal something must be done.

use std::time::Duration;

use crate::{Format, Quantity, Signal, SignalObservation};

/// The value of a threshold or of a minimum reclaim.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ThresholdValue {
    /// An absolute quantity in the signal's unit.
    Quantity(Quantity),
    /// A share of the capacity, 0.0 to 1.0; single precision as in the kubelet (T-7).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::share"))]
    Percentage(f32),
}

impl ThresholdValue {
    /// The quantity in the signal's unit on something of that `capacity` (T-7).
    ///
    /// A share is multiplied in double precision and cut towards zero. What is no number is less than
    /// anything, as on the machines the kubelet runs on: such a threshold is never met.
    pub fn resolve(self, capacity: i64) -> i64 {
        match self {
            Self::Quantity(quantity) => quantity.value(),
            Self::Percentage(share) if share.is_nan() => i64::MIN,
            Self::Percentage(share) => (capacity as f64 * f64::from(share)) as i64,
        }
    }

    /// The quantity on something of that `capacity`, fractions included, as the kubelet prints it: a
    /// share always in binary units (T-7, E-45).
    pub fn quantity(self, capacity: i64) -> Quantity {
        match self {
            Self::Quantity(quantity) => quantity,
            Self::Percentage(_) => Quantity::new(self.resolve(capacity), Format::BinarySi),
        }
    }

    /// The same and `share` of it more; a percentage stops at everything there is. What is no number
    /// stays none.
    #[must_use]
    pub fn raised(self, share: f32) -> Self {
        match self {
            Self::Quantity(quantity) => {
                let more = (quantity.value() as f64 * f64::from(share)) as i64;
                Self::Quantity(quantity.plus(Quantity::new(more, quantity.format())))
            }
            Self::Percentage(percentage) => {
                let raised = percentage * (1.0 + share);
                Self::Percentage(if raised > 1.0 { 1.0 } else { raised })
            }
        }
    }

    /// How the kubelet prints the resolved quantity: a share always in binary units (T-7, E-45).
    pub const fn format(self) -> Format {
        match self {
            Self::Quantity(quantity) => quantity.format(),
            Self::Percentage(_) => Format::BinarySi,
        }
    }
}

/// Below which value of a signal something must be done, and after how long. The operator is always
/// "less than" (S-1).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Threshold {
    /// The signal it watches.
    pub signal: Signal,
    /// The value: met while strictly less is available.
    pub value: ThresholdValue,
    /// How long it must be met before anything is done; zero makes it hard.
    pub grace: Duration,
    /// How much more than the value has to be available for an eviction to be enough (L-5).
    pub min_reclaim: Option<ThresholdValue>,
}

impl Threshold {
    /// True for a threshold without grace period (E-5: also for a soft one of `0s`).
    pub const fn is_hard(&self) -> bool {
        self.grace.is_zero()
    }

    /// The threshold in the signal's unit, without minimum reclaim (O-2).
    pub fn quantity(&self, capacity: i64) -> i64 {
        self.value.resolve(capacity)
    }

    /// The threshold in the signal's unit with minimum reclaim; saturates.
    pub fn quantity_with_min_reclaim(&self, capacity: i64) -> i64 {
        let reclaim = self.min_reclaim.map_or(0, |value| value.resolve(capacity));
        self.quantity(capacity).saturating_add(reclaim)
    }

    /// L-4, E-1: met when strictly less than the quantity is available.
    pub fn is_met(&self, seen: SignalObservation) -> bool {
        self.quantity(seen.capacity) > seen.available
    }

    /// L-5: less than the quantity with minimum reclaim is available, fractions of both included.
    pub fn is_unresolved(&self, seen: SignalObservation) -> bool {
        let quantity = self.value.quantity(seen.capacity);
        let wanted = match self.min_reclaim {
            Some(reclaim) => quantity.plus(reclaim.quantity(seen.capacity)),
            None => quantity,
        };
        wanted > Quantity::new(seen.available, quantity.format())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of T-7.
    #[test]
    fn percentages_follow_the_kubelets_single_precision() {
        let cases: [(i64, f32, i64); 8] = [
            (107_374_182_400, 15.0, 16_106_128_000),
            (107_374_182_400, 10.0, 10_737_418_400),
            (107_374_182_400, 5.0, 5_368_709_200),
            (17_179_869_184, 5.0, 858_993_472),
            (10_737_418_240, 10.0, 1_073_741_840),
            (52_520_497_152, 15.0, 7_878_074_885),
            (20_941_697_024, 15.0, 3_141_254_678),
            (2_621_440, 5.0, 131_072),
        ];
        for (capacity, percent, quantity) in cases {
            let value = ThresholdValue::Percentage(percent / 100.0);
            assert_eq!(value.resolve(capacity), quantity, "{percent}% of {capacity}");
        }
    }

    #[test]
    fn a_margin_raises_both_kinds() {
        let quantity = |n| ThresholdValue::Quantity(Quantity::new(n, Format::BinarySi));
        let cases = [
            ("a tenth", quantity(100 << 20), 0.1, (100 << 20) + (10 << 20)),
            ("nothing", quantity(7), 0.0, 7),
            ("less than one", quantity(7), 0.1, 7),
            ("a share", ThresholdValue::Percentage(0.5), 0.5, 750),
            ("no more than all", ThresholdValue::Percentage(0.9), 1.0, 1000),
        ];
        for (name, value, share, expected) in cases {
            assert_eq!(value.raised(share).resolve(1000), expected, "{name}");
        }
    }

    #[test]
    fn a_threshold_is_met_strictly_below_its_quantity() {
        let threshold = Threshold {
            signal: Signal::MemoryAvailable,
            value: ThresholdValue::Quantity(Quantity::new(100, Format::BinarySi)),
            grace: Duration::ZERO,
            min_reclaim: Some(ThresholdValue::Percentage(0.05)),
        };
        let cases = [
            ("below", 99, true, true),
            ("equal (E-1)", 100, false, true),
            ("within min reclaim", 149, false, true),
            ("threshold and min reclaim", 150, false, false),
            ("negative (S-9)", -1, true, true),
        ];
        for (name, available, met, unresolved) in cases {
            let seen = SignalObservation { available, capacity: 1000, at: None };
            assert_eq!(threshold.is_met(seen), met, "{name}");
            assert_eq!(threshold.is_unresolved(seen), unresolved, "{name}");
        }
    }
}
