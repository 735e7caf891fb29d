//! Making sure that evictd itself survives the pressure it watches. Each step is best effort: a
//! refusal is named and evictd goes on.

use std::fs;

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use tracing::warn;

/// As the kubelet runs: chosen by the OOM killer only when nothing else is left.
const OOM_SCORE_ADJ: &str = "-999";

/// Keeps memory resident, stays away from the OOM killer, and makes room for a few descriptors per
/// pod.
pub fn harden() {
    if let Err(error) = fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ) {
        warn!("the OOM killer may choose evictd: oom_score_adj: {error}");
    }
    // On fault: pages are locked as they are used, so that reserved address space costs nothing.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        warn!("evictd may be paged out: mlockall: {error}");
    }
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!("descriptors stay limited to {:?}: {error}", limit.current);
    }
}
