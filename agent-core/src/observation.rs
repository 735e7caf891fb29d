//! What was seen: node signals and per-pod usage at one moment.

use crate::{LogWrites, MonoTime, PodObservation, Signal};

/// One signal as sampled (kubelet spec S-2). An incomplete signal is absent, never zero (S-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignalObservation {
    /// What is left, in the signal's unit. Signed: an overcommitted cgroup is below zero (S-9).
    pub available: i64,
    /// All there is, in the signal's unit.
    pub capacity: i64,
    /// When it was sampled; `None` if the source does not say.
    pub at: Option<MonoTime>,
}

/// The node's signals, indexed by [`Signal::index`]. `None` is "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSignals([Option<SignalObservation>; Signal::COUNT]);

impl NodeSignals {
    /// The observation of `signal`, if known.
    pub const fn get(&self, signal: Signal) -> Option<SignalObservation> {
        self.0[signal.index()]
    }

    /// Sets or clears the observation of `signal`.
    pub const fn set(&mut self, signal: Signal, observation: Option<SignalObservation>) {
        self.0[signal.index()] = observation;
    }
}

/// What an observation holds of the kubelet's summary: the statistics of all pods, and nothing when
/// any source fails (S-21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Summary {
    /// It was not asked for: pods are known by what cgroups and directories tell, and each that carries
    /// statistics is held to its limits of local storage.
    #[default]
    NotTaken,
    /// It failed. Kubelet semantics then do nothing at all (L-3d); strict semantics evaluate the
    /// signals that are known (E-17).
    Failed,
    /// Every pod that has statistics carries them ([`PodObservation::stats`]), and the pods are the
    /// kubelet's active pods in its order (L-3c).
    Whole,
}

/// Everything one evaluation may look at.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Observation {
    /// The node's signals.
    pub signals: NodeSignals,
    /// The signal whose per-pod figures were read, as [`crate::Evaluator::usage_wanted`] asked;
    /// `None` when pods were not looked at, and then nothing is evicted.
    pub usage_for: Option<Signal>,
    /// All active pods and what they use, when pods were looked at; else at most pods that carry
    /// statistics, to be held to their limits. Usage is filled in only for `usage_for`; the rest is
    /// `None`. Tasks cost one small read and are better always filled in:
    /// they tell a pod that was killed and is empty from one that started again.
    pub pods: Vec<PodObservation>,
    /// What became of the kubelet's summary.
    pub summary: Summary,
    /// What every container has written into its log so far; empty when that was not read.
    pub log_writes: Vec<LogWrites>,
}

impl Observation {
    /// Pods were looked at: one that is not listed is gone.
    pub(crate) fn lists_pods(&self) -> bool {
        self.usage_for.is_some() || self.summary == Summary::Whole
    }
}
