//! The kubelet's own evaluation, step by step (spec §3.2).

mod containerfs;
mod layout;
mod synchronize;

use crate::{Decision, Policy, disks::Disks};

/// What kubelet semantics remember beside what both semantics do.
#[derive(Debug, Default)]
pub(super) struct Kubelet {
    disks: Option<Disks>,
    /// The disks were told by [`super::Evaluator::handle_disk_info`], not by the policy.
    asked: bool,
    /// Containerfs thresholds are in the list (T-14).
    mirrored: bool,
    decision: Decision,
}

impl Kubelet {
    pub(super) fn decide(&mut self, decision: Decision) {
        self.decision = decision;
    }

    pub(super) const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// There are tables of what to rank by and what to reclaim (E-14).
    pub(super) fn has_tables(&self) -> bool {
        self.disks.is_some_and(|disks| disks.has_tables)
    }

    /// Another policy came into force: its thresholds lack those of containerfs, and the answers of
    /// the disks outlast it (S-25).
    pub(super) fn restart(&mut self, policy: &mut Policy) {
        self.mirrored = false;
        match self.disks {
            Some(disks) if self.asked => policy.layout = disks.layout(),
            _ => self.disks = None,
        }
    }
}
