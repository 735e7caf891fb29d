//! What to do when: thresholds and the knobs around them.

mod error;
mod flags;
mod kubelet;
mod log_writers;
mod parse;
mod sources;
mod value;

use std::time::Duration;

pub use error::{MapField, PolicyError, PolicyErrorKind};
pub use flags::{FlagError, FlagPairs};
pub use kubelet::{KubeletOptions, NodeReclaim};
pub use log_writers::{LogWriterAction, LogWriterPolicy};
pub use parse::EvictionMaps;
pub use sources::DropIn;

use crate::{FsLayout, NodeSignals, Resource, Signal, Threshold};

/// Whose mistakes to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Semantics {
    /// The kubelet's rules with the rows marked F in the kubelet spec §6 fixed.
    #[default]
    Strict,
    /// As the kubelet behaves, mistakes included.
    Kubelet,
}

/// How long an eviction may take to show in the node's signals before the next one may follow,
/// counted from the end of the victim's grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReleaseDeadlines {
    /// Memory.
    pub memory: Duration,
    /// Bytes and inodes on disk, which are given back later than memory.
    pub disk: Duration,
    /// Tasks.
    pub pids: Duration,
}

impl ReleaseDeadlines {
    /// The deadline for that resource.
    pub const fn of(&self, resource: Resource) -> Duration {
        match resource {
            Resource::Memory => self.memory,
            Resource::EphemeralStorage | Resource::Inodes => self.disk,
            Resource::Pids => self.pids,
        }
    }
}

impl Default for ReleaseDeadlines {
    fn default() -> Self {
        Self {
            memory: Duration::from_secs(10),
            disk: Duration::from_secs(30),
            pids: Duration::from_secs(10),
        }
    }
}

/// Everything the evaluator decides by.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// Hard, soft and copied thresholds, in this order.
    pub thresholds: Vec<Threshold>,
    /// How long a condition outlasts its cause (L-9). See [`Policy::with_transition_period`].
    pub transition_period: Duration,
    /// Longest grace a soft eviction leaves a pod (K-2).
    pub max_pod_grace: Duration,
    /// The kubelet's rules or the fixed ones.
    pub semantics: Semantics,
    /// Until when a release is waited for.
    pub release_deadlines: ReleaseDeadlines,
    /// Which filesystems hold what.
    pub layout: FsLayout,
    /// What is done about containers whose logs grow too fast.
    pub log_writers: LogWriterPolicy,
    /// Whether the node frees something first.
    pub node_reclaim: NodeReclaim,
    /// What only the kubelet knows.
    pub kubelet: KubeletOptions,
}

impl Policy {
    /// The kubelet's default of `evictionPressureTransitionPeriod` (T-23).
    pub const DEFAULT_TRANSITION_PERIOD: Duration = Duration::from_secs(300);

    /// The thresholds in force when `evictionHard` is absent (T-18), with their copy for the pods
    /// cgroup (T-12).
    pub fn linux_defaults() -> Self {
        Self::with_thresholds(parse::linux_default_thresholds(), Semantics::default())
    }

    pub(crate) fn with_thresholds(thresholds: Vec<Threshold>, semantics: Semantics) -> Self {
        Self {
            thresholds,
            transition_period: Self::DEFAULT_TRANSITION_PERIOD,
            max_pod_grace: Duration::ZERO,
            semantics,
            release_deadlines: ReleaseDeadlines::default(),
            layout: FsLayout::default(),
            log_writers: LogWriterPolicy::default(),
            node_reclaim: NodeReclaim::default(),
            kubelet: KubeletOptions::default(),
        }
    }

    /// Sets the transition period; zero means the default, as in the kubelet (L-9, T-23).
    #[must_use]
    pub fn with_transition_period(mut self, period: Duration) -> Self {
        self.transition_period =
            if period.is_zero() { Self::DEFAULT_TRANSITION_PERIOD } else { period };
        self
    }

    /// Raises hard and soft thresholds by a share of each, so that they are met before those they were
    /// taken from.
    #[must_use]
    pub fn with_margins(mut self, hard: f32, soft: f32) -> Self {
        for threshold in &mut self.thresholds {
            let share = if threshold.is_hard() { hard } else { soft };
            // As it was written, spelling and all, where nothing is added.
            if share > 0.0 {
                threshold.value = threshold.value.raised(share);
            }
        }
        self
    }

    /// How much of `signal` may be used, in its unit, until it meets the nearest threshold that it
    /// has not yet met: 1 when it is at the threshold (which is not met by equality, L-4), 0 when
    /// every one is met, `None` when the signal is unknown or has no threshold.
    pub fn headroom(&self, signals: &NodeSignals, signal: Signal) -> Option<u64> {
        signals.get(signal)?;
        let watched = self.thresholds.iter().any(|threshold| threshold.signal == signal);
        let ahead = self.nearest_ahead(signals, signal).map(|(_, distance)| distance);
        watched.then(|| ahead.unwrap_or(0))
    }

    /// The nearest threshold that `signal` has not yet met, and how far it is.
    pub(crate) fn nearest_ahead(
        &self,
        signals: &NodeSignals,
        signal: Signal,
    ) -> Option<(&Threshold, u64)> {
        let seen = signals.get(signal)?;
        let ahead = self.thresholds.iter().filter(|t| t.signal == signal).filter_map(|threshold| {
            let quantity = threshold.quantity(seen.capacity);
            let distance = seen.available.abs_diff(quantity).saturating_add(1);
            (quantity <= seen.available).then_some((threshold, distance))
        });
        ahead.min_by_key(|(_, distance)| *distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignalObservation;

    #[test]
    fn defaults_are_those_of_linux() {
        let policy = Policy::linux_defaults();
        let signals: Vec<_> = policy.thresholds.iter().map(|t| t.signal.name()).collect();
        assert_eq!(
            signals,
            [
                "memory.available",
                "nodefs.available",
                "nodefs.inodesFree",
                "imagefs.available",
                "imagefs.inodesFree",
                "allocatableMemory.available",
            ]
        );
        assert!(policy.thresholds.iter().all(Threshold::is_hard));
        assert_eq!(policy.thresholds[0].quantity(0), 100 << 20);
        assert_eq!(policy.thresholds[5].quantity(0), 100 << 20);
        assert_eq!(policy.thresholds[1].quantity(107_374_182_400), 10_737_418_400);
        assert_eq!(policy.transition_period, Duration::from_secs(300));
    }

    #[test]
    fn a_transition_period_of_zero_is_the_default() {
        let policy = Policy::linux_defaults().with_transition_period(Duration::ZERO);
        assert_eq!(policy.transition_period, Policy::DEFAULT_TRANSITION_PERIOD);
    }

    #[test]
    fn headroom_is_the_way_to_the_nearest_threshold_not_yet_met() {
        let mut maps = EvictionMaps::default();
        maps.hard.insert("memory.available".into(), "100".into());
        maps.soft.insert("memory.available".into(), "300".into());
        maps.soft_grace_period.insert("memory.available".into(), "1m".into());
        let policy = Policy::parse(&maps).unwrap();
        let cases = [
            ("above both", Some(1000), Some(701)),
            ("at soft", Some(300), Some(1)),
            ("between", Some(250), Some(151)),
            ("below both", Some(99), Some(0)),
            ("extreme", Some(i64::MAX), Some(i64::MAX as u64 - 299)),
            ("unknown", None, None),
        ];
        for (name, available, headroom) in cases {
            let mut signals = NodeSignals::default();
            let seen = available.map(|a| SignalObservation { available: a, capacity: 0, at: None });
            signals.set(Signal::MemoryAvailable, seen);
            assert_eq!(policy.headroom(&signals, Signal::MemoryAvailable), headroom, "{name}");
            assert_eq!(policy.headroom(&signals, Signal::PidAvailable), None, "{name}");
        }
    }
}
