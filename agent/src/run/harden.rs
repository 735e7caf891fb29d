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
/// What the kubelet gives critical pods, whom it lets go no lower without CAP_SYS_RESOURCE.
const CRITICAL_POD_SCORE_ADJ: i32 = -997;

/// Keeps memory resident, stays away from the OOM killer, and makes room for a few descriptors per
/// pod.
pub fn harden() {
    stay_away_from_oom_killer();
    lock_memory();
    be_scheduled_first();
    // The first system call through the vDSO reads the auxiliary vector, on some kernels into memory
    // that it allocates: now rather than on the way to a kill.
    crate::clock::now();
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!("descriptors stay limited to {:?}: {error}", limit.current);
    }
}

fn stay_away_from_oom_killer() {
    let file = "/proc/self/oom_score_adj";
    let Err(error) = fs::write(file, OOM_SCORE_ADJ) else { return };
    let given = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if given.is_none_or(|given| given > CRITICAL_POD_SCORE_ADJ) {
        warn!("the OOM killer may choose evictd: oom_score_adj: {error}");
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

/// The lowest real-time priority: before every ordinary task, so that a fork bomb or a full run queue
/// does not keep evictd waiting, and behind whatever else is real-time. The loop's work per turn is
/// bounded; a defect would still meet the kernel's own real-time throttling.
fn be_scheduled_first() {
    // The kernel's `struct sched_param`: the priority alone.
    let priority: libc::c_int = 1;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // The raw call, because musl's wrapper refuses. 0 is the calling thread.
    // SAFETY: the parameter is valid for the call and only read.
    let set =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
    if set != 0 {
        let error = std::io::Error::last_os_error();
        let nice = rustix::process::setpriority_process(None, -20);
        match nice {
            Ok(()) => warn!("evictd runs at nice -20: no real-time scheduling: {error}"),
            Err(_) => warn!("evictd is scheduled like everybody else: {error}"),
        }
    }
}
