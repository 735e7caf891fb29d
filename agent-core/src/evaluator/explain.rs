//! What the evaluator can tell of itself.

use super::Evaluator;
use crate::{Applicant, Decision, NodeConditions, Placement, Policy, Threshold};

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

    /// The thresholds that are met, grace period and all, or not resolved since (L-11).
    pub fn thresholds_met(&self) -> impl Iterator<Item = &Threshold> {
        let all = self.policy.thresholds.iter().zip(&self.tracks);
        all.filter(|(_, track)| track.satisfied).map(|(threshold, _)| threshold)
    }
}
