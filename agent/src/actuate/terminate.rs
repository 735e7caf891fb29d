//! The polite beginning of a soft eviction (K-2): SIGTERM, and time to react.

use evictd_core::PodRef;
use rustix::process::{Signal, kill_process};

use super::{KillError, KillMethod, Killed, kill};
use crate::{
    clock::now,
    pods::{CgroupTree, Pod, procs},
};

/// Sends SIGTERM to every process of `pod`, once each, if its cgroup is still the one of `target`.
/// What the pod forks meanwhile is left to the kill at the end of the grace period.
pub(super) fn terminate(
    pod: &Pod,
    target: &PodRef,
    tree: &CgroupTree,
) -> Result<Killed, KillError> {
    let cgroup = kill::verify(pod, target, tree)?;
    if let Some(dir) = cgroup.dirs().identity() {
        let listed = procs::for_each_process(dir, &mut |pid| {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, Signal::TERM);
        });
        listed.map_err(|errno| KillError::of_file("reading", "cgroup.procs", errno))?;
    }
    Ok(Killed { issued_at: now(), method: KillMethod::Terminate })
}
