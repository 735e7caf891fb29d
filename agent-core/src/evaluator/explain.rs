//! What the evaluator can tell of itself.

use super::Evaluator;
use crate::{
    Applicant, Decision, Forecast, NodeConditions, Placement, Policy, Threshold, ThresholdValue,
};

impl Evaluator {
    /// The ranking of the last evaluation that had pods to look at; its places point into the pods of
    /// that observation. Empty when it ranked nobody.
    pub fn ranking(&self) -> &[Placement] {
        self.ranking.placements()
    }

    /// The policy in force. In kubelet semantics its thresholds have those of containerfs among them
    /// from the second evaluation on (T-14, T-17).
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How fast each signal is used up, by the samples of all evaluations so far.
    pub const fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// Kubelet semantics: which way the last evaluation went.
    pub const fn decision(&self) -> &Decision {
        self.kubelet.decision()
    }

    /// The node conditions as reported (L-9).
    pub const fn conditions(&self) -> NodeConditions {
        self.conditions.reported()
    }

    /// true when such a pod may start on the node as it is.
    pub const fn admit(&self, pod: Applicant) -> bool {
        self.conditions().admit(pod)
    }

    /// The thresholds that are met, grace period and all, or not resolved since (L-11). Of thresholds
    /// that are the same percentage of the same signal the kubelet knows one.
    pub fn thresholds_met(&self) -> impl Iterator<Item = &Threshold> {
        let all = &self.policy.thresholds;
        let repeats = |i: usize| {
            let mut before = all[..i].iter().zip(&self.tracks);
            before.any(|(other, track)| track.satisfied && is_same_percentage(other, &all[i]))
        };
        let met = (0..all.len()).filter(move |i| self.tracks[*i].satisfied && !repeats(*i));
        met.map(move |i| &all[i])
    }
}

fn is_same_percentage(a: &Threshold, b: &Threshold) -> bool {
    let bare = a.min_reclaim.is_none() && b.min_reclaim.is_none();
    matches!(a.value, ThresholdValue::Percentage(_)) && bare && a == b
}
