//! Making sure that evictd itself survives the pressure it watches. Each step is best effort: a
//! refusal is named and evictd goes on.

use std::fs;

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CapabilitySet, capabilities},
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
    lock_memory();
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!("descriptors stay limited to {:?}: {error}", limit.current);
    }
}

/// Without CAP_IPC_LOCK locked memory is limited, and `mlockall` would make later allocations fail.
fn lock_memory() {
    let unlimited = capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
        || getrlimit(Resource::Memlock).current.is_none();
    if !unlimited {
        warn!("evictd may be paged out: CAP_IPC_LOCK is missing and RLIMIT_MEMLOCK is set");
        return;
    }
    // On fault: pages are locked as they are used, so that reserved address space costs nothing.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        warn!("evictd may be paged out: mlockall: {error}");
    }
}
