//! One threshold over time: met, unresolved, in grace, due (L-4 to L-6, L-10, L-11).

use crate::{MonoTime, Semantics, SignalObservation, Threshold};

/// What is remembered of a threshold between evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Track {
    /// Since when it has been met without a break; `None` while it is not.
    pub(super) first_observed: Option<MonoTime>,
    /// Its grace period had elapsed at the last evaluation.
    pub(super) satisfied: bool,
    /// It is out of the list but goes on until it is resolved (L-5).
    pub(super) lingering: bool,
}

impl Track {
    /// The state after an evaluation that saw `seen`.
    ///
    /// A signal that is unknown leaves its thresholds as they are in strict semantics, so that a look
    /// at memory alone does not restart the grace of a disk threshold; the kubelet forgets them.
    pub(super) fn next(
        self,
        threshold: &Threshold,
        seen: Option<SignalObservation>,
        semantics: Semantics,
        now: MonoTime,
    ) -> Self {
        let Some(seen) = seen else {
            return match semantics {
                Semantics::Strict => self,
                Semantics::Kubelet => Self { lingering: self.lingering, ..Self::default() },
            };
        };
        let unresolved = self.satisfied && threshold.is_unresolved(seen); // L-5
        let met = threshold.is_met(seen) && !self.lingering; // L-4
        let holds = met || unresolved;
        let first_observed = holds.then(|| self.first_observed.unwrap_or(now)); // L-6
        let satisfied = first_observed.is_some_and(|first| now.since(first) >= threshold.grace); // L-10
        Self { first_observed, satisfied, lingering: self.lingering }
    }

    /// When the grace period will have elapsed, if that is still to come.
    pub(super) fn grace_ends(self, threshold: &Threshold) -> Option<MonoTime> {
        self.first_observed.filter(|_| !self.satisfied).map(|first| first.after(threshold.grace))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Format, Quantity, Signal, ThresholdValue};

    const fn threshold(grace: u64) -> Threshold {
        Threshold {
            signal: Signal::MemoryAvailable,
            value: ThresholdValue::Quantity(Quantity::new(100, Format::BinarySi)),
            grace: Duration::from_nanos(grace),
            min_reclaim: Some(ThresholdValue::Quantity(Quantity::new(20, Format::BinarySi))),
        }
    }

    /// (available or unknown, time, since when, satisfied)
    type Step = (Option<i64>, u64, Option<u64>, bool);

    #[test]
    fn a_threshold_over_time() {
        use Semantics::{Kubelet, Strict};
        let cases: [(&str, u64, Semantics, &[Step]); 6] = [
            ("hard", 0, Strict, &[(Some(100), 1, None, false), (Some(99), 2, Some(2), true)]),
            (
                "unresolved until min reclaim (L-5)",
                0,
                Strict,
                &[
                    (Some(99), 1, Some(1), true),
                    (Some(110), 2, Some(1), true),
                    (Some(120), 3, None, false),
                    (Some(110), 4, None, false),
                ],
            ),
            (
                "soft waits for its grace (L-10)",
                10,
                Strict,
                &[
                    (Some(99), 1, Some(1), false),
                    (Some(99), 10, Some(1), false),
                    (Some(99), 11, Some(1), true),
                ],
            ),
            (
                "grace restarts (E-20), min reclaim does not hold in grace (E-19)",
                10,
                Strict,
                &[
                    (Some(99), 1, Some(1), false),
                    (Some(110), 8, None, false),
                    (Some(99), 9, Some(9), false),
                    (Some(99), 18, Some(9), false),
                    (Some(99), 19, Some(9), true),
                ],
            ),
            (
                "unknown is kept",
                10,
                Strict,
                &[
                    (Some(99), 1, Some(1), false),
                    (None, 5, Some(1), false),
                    (Some(99), 11, Some(1), true),
                ],
            ),
            (
                "unknown is forgotten by the kubelet",
                10,
                Kubelet,
                &[
                    (Some(99), 1, Some(1), false),
                    (None, 5, None, false),
                    (Some(99), 11, Some(11), false),
                ],
            ),
        ];
        for (name, grace, semantics, steps) in cases {
            let mut track = Track::default();
            for &(available, now, first, satisfied) in steps {
                let seen =
                    available.map(|a| SignalObservation { available: a, capacity: 0, at: None });
                let now = MonoTime::from_nanos(now);
                track = track.next(&threshold(grace), seen, semantics, now);
                let first_observed = first.map(MonoTime::from_nanos);
                let expected = Track { first_observed, satisfied, lingering: false };
                assert_eq!(track, expected, "{name} at {now}");
            }
        }
    }
}
