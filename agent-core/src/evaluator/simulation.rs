//! Observe mode: the node as it would be had the evictions been done.

use std::time::Duration;

use crate::{
    Bar, FsLayout, MonoTime, NodeSignals, Observation, PodRef, Signal, Threshold,
    figure::{Figure, usage_of},
};

/// A pod that counts as evicted although nothing was touched.
#[derive(Clone, Debug)]
pub(super) struct Simulated {
    pub(super) pod: PodRef,
    pub(super) signal: Signal,
    /// The threshold that crossed.
    pub(super) threshold: Threshold,
    /// What it would have given back, in the signal's unit: what it holds now, where that is known.
    pub(super) credit: u64,
}

impl Simulated {
    /// The signal is clear by itself, minimum reclaim included: there is nothing to make up for.
    fn is_cleared(&self, raw: &NodeSignals) -> bool {
        raw.get(self.signal).is_some_and(|seen| !self.threshold.is_unresolved(seen))
    }
}

/// The pods that count as evicted.
#[derive(Debug, Default)]
pub(super) struct Simulation {
    entries: Vec<Simulated>,
    pods_seen: MonoTime,
}

impl Simulation {
    /// How often the pod list is asked for only to see whether a simulated victim is still there.
    const CHECK_INTERVAL: Duration = Duration::from_secs(1);

    pub(super) fn add(&mut self, entry: Simulated, now: MonoTime) {
        self.pods_seen = now;
        self.entries.push(entry);
    }

    /// Nothing counts as evicted any more.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The signals with the credit of the simulated evictions added.
    pub(super) fn credited(&self, raw: &NodeSignals, layout: FsLayout) -> NodeSignals {
        let mut signals = *raw;
        for entry in self.entries.iter().filter(|entry| !entry.is_cleared(raw)) {
            for signal in Signal::ALL {
                let Some(mut seen) = signals.get(signal) else {
                    continue;
                };
                if layout.shares(signal, entry.signal) {
                    seen.available = seen.available.saturating_add_unsigned(entry.credit);
                    signals.set(signal, Some(seen));
                }
            }
        }
        signals
    }

    /// Takes in what an observation says of the simulated victims: those that are gone are dropped,
    /// the credit of the others follows what they hold now, for they go on as if nothing were.
    pub(super) fn refresh(&mut self, o: &Observation, layout: FsLayout, now: MonoTime) {
        let Some(usage_for) = o.usage_for else { return };
        self.pods_seen = now;
        self.entries.retain_mut(|entry| {
            let Some(pod) = o.pods.iter().find(|pod| pod.facts.id == entry.pod) else {
                return false;
            };
            if Figure::of(usage_for) == Figure::of(entry.signal)
                && let Some(usage) = usage_of(entry.signal, &pod.usage, layout)
            {
                entry.credit = usage;
            }
            true
        });
    }

    /// Drops the simulated evictions whose signal is clear by itself.
    pub(super) fn drop_cleared(&mut self, raw: &NodeSignals) {
        self.entries.retain(|entry| !entry.is_cleared(raw));
    }

    /// The signal of a simulated eviction whose victim has not been looked for of late.
    pub(super) fn wants_check(&self, raw: &NodeSignals, now: MonoTime) -> Option<Signal> {
        let stale = now.since(self.pods_seen) >= Self::CHECK_INTERVAL;
        let open = self.entries.iter().find(|entry| !entry.is_cleared(raw));
        open.filter(|_| stale).map(|entry| entry.signal)
    }

    pub(super) fn bar(&self, pod: &PodRef) -> Option<Bar> {
        self.entries.iter().any(|entry| entry.pod == *pod).then_some(Bar::Simulated)
    }
}
