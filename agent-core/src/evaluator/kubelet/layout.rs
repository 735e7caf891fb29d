//! Telling the disks apart, once (L-3b, S-23 to S-25).

use crate::{Decision, DiskInfo, Evaluator, LayoutError, Semantics, disks::Disks};

impl Evaluator {
    /// L-3a: nothing is to be done, ever.
    pub fn is_disabled(&self) -> bool {
        self.policy.thresholds.is_empty() && !self.policy.kubelet.local_storage_isolation
    }

    /// True until the disks have been told apart with [`handle_disk_info`](Self::handle_disk_info).
    /// Who never tells leaves it at the policy's layout.
    pub fn wants_disk_info(&self) -> bool {
        !self.kubelet.asked && !self.is_disabled()
    }

    /// Takes in how the filesystems lie. In kubelet semantics an error ends the evaluation before
    /// anything is looked at; strict semantics then go on with the layout they have, and need no
    /// feature gate for a split (E-14).
    pub fn handle_disk_info(&mut self, info: &DiskInfo) -> Result<(), LayoutError> {
        let result = self.tell_disks(info);
        if let (Err(error), Semantics::Kubelet) = (&result, self.policy.semantics) {
            self.ranking.clear();
            self.kubelet.decide(Decision::LayoutError(error.clone()));
        }
        result
    }

    fn tell_disks(&mut self, info: &DiskInfo) -> Result<(), LayoutError> {
        let dedicated = info.dedicated_imagefs.clone().map_err(LayoutError::Unknown)?;
        let split = *info.dedicated_containerfs.as_ref().unwrap_or(&false);
        let gate = self.policy.kubelet.separate_disk_gc;
        let refused = self.policy.semantics == Semantics::Kubelet && split && !gate;
        let disks = Disks::new(dedicated, split, !refused);
        self.policy.layout = disks.layout();
        self.kubelet.disks = Some(disks);
        self.kubelet.asked = true;
        if refused { Err(LayoutError::SplitWithoutGate) } else { Ok(()) }
    }
}
