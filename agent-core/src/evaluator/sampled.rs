//! Which samples were seen already (L-12).

use crate::{MonoTime, NodeSignals, Semantics, Signal, SignalObservation};

/// The sample times of the last evaluation, by signal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SampleTimes([Option<MonoTime>; Signal::COUNT]);

impl SampleTimes {
    /// True when `seen` was sampled after the last one, or either does not say when (E-18).
    pub(super) fn is_newer(&self, signal: Signal, seen: SignalObservation) -> bool {
        match (self.0[signal.index()], seen.at) {
            (Some(last), Some(at)) => at > last,
            (None, _) | (_, None) => true,
        }
    }

    /// Takes note of the samples. A signal that is missing keeps its time in strict semantics, so
    /// that a stale sample is still stale after a partial observation; the kubelet forgets it.
    pub(super) fn record(&mut self, signals: &NodeSignals, semantics: Semantics) {
        for signal in Signal::ALL {
            let last = &mut self.0[signal.index()];
            *last = match (signals.get(signal), semantics) {
                (Some(seen), Semantics::Strict) => (*last).max(seen.at),
                (Some(seen), Semantics::Kubelet) => seen.at,
                (None, Semantics::Strict) => *last,
                (None, Semantics::Kubelet) => None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_sample_counts() {
        let signal = Signal::NodefsAvailable;
        let seen = |at: Option<u64>| SignalObservation {
            available: 0,
            capacity: 0,
            at: at.map(MonoTime::from_nanos),
        };
        let signals = |sample| {
            let mut signals = NodeSignals::default();
            signals.set(signal, sample);
            signals
        };
        for semantics in [Semantics::Strict, Semantics::Kubelet] {
            let mut times = SampleTimes::default();
            assert!(times.is_newer(signal, seen(Some(5))), "no last observation");
            times.record(&signals(Some(seen(Some(5)))), semantics);
            assert!(!times.is_newer(signal, seen(Some(4))), "time machine");
            assert!(!times.is_newer(signal, seen(Some(5))), "same");
            assert!(times.is_newer(signal, seen(Some(6))), "newer");
            assert!(times.is_newer(signal, seen(None)), "no time");
            times.record(&signals(None), semantics);
            assert_eq!(
                times.is_newer(signal, seen(Some(5))),
                semantics == Semantics::Kubelet,
                "after a partial observation"
            );
        }
    }
}
