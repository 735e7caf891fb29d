//! What evictd may do here, checked before it starts rather than found out under pressure.

use rustix::thread::{CapabilitySet, capabilities};
use thiserror::Error;

use crate::config::Mode;

/// Capabilities are missing.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "evictd lacks {}; run it as root or grant them (in a pod: securityContext.capabilities.add)",
    .missing.join(", ")
)]
pub struct Unprivileged {
    missing: Vec<String>,
}

/// What lacks without a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// evictd cannot watch.
    Observe,
    /// evictd cannot act.
    Enforce,
    /// evictd itself is less well protected from the pressure it watches.
    Robustness,
}

/// A capability and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Capability {
    set: CapabilitySet,
    /// As a pod's `securityContext` names it, with `CAP_` before it.
    pub name: &'static str,
    /// What evictd does with it.
    pub purpose: &'static str,
    /// What lacks without it.
    pub need: Need,
}

const fn of(
    set: CapabilitySet,
    name: &'static str,
    purpose: &'static str,
    need: Need,
) -> Capability {
    Capability { set, name, purpose, need }
}

/// Every capability that evictd makes use of.
pub const CAPABILITIES: [Capability; 7] = [
    of(CapabilitySet::BPF, "CAP_BPF", "to load the probes", Need::Observe),
    of(CapabilitySet::PERFMON, "CAP_PERFMON", "to let them read kernel structures", Need::Observe),
    of(CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "to write cgroup.kill", Need::Enforce),
    of(CapabilitySet::KILL, "CAP_KILL", "to kill a pod's processes", Need::Enforce),
    of(
        CapabilitySet::IPC_LOCK,
        "CAP_IPC_LOCK",
        "to keep its own memory resident",
        Need::Robustness,
    ),
    of(CapabilitySet::SYS_NICE, "CAP_SYS_NICE", "to run before ordinary tasks", Need::Robustness),
    of(
        CapabilitySet::SYS_RESOURCE,
        "CAP_SYS_RESOURCE",
        "to keep the OOM killer away from itself",
        Need::Robustness,
    ),
];

impl Capability {
    /// Whether this process has it.
    pub fn is_held(&self) -> bool {
        held().contains(self.set)
    }
}

/// Checks the effective capabilities of this process.
pub fn check(mode: Mode) -> Result<(), Unprivileged> {
    missing(held(), mode)
}

fn held() -> CapabilitySet {
    // A kernel that does not tell is asked again by the first BPF call.
    let held = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    with_implied(held)
}

/// Before 5.8, and as a superset since, CAP_SYS_ADMIN stands for both BPF capabilities.
fn with_implied(held: CapabilitySet) -> CapabilitySet {
    let bpf = CapabilitySet::BPF | CapabilitySet::PERFMON;
    if held.contains(CapabilitySet::SYS_ADMIN) { held | bpf } else { held }
}

fn missing(held: CapabilitySet, mode: Mode) -> Result<(), Unprivileged> {
    let needed = |need| match need {
        Need::Observe => true,
        Need::Enforce => mode == Mode::Enforce,
        Need::Robustness => false,
    };
    let missing: Vec<String> = CAPABILITIES
        .iter()
        .filter(|capability| needed(capability.need) && !held.contains(capability.set))
        .map(|Capability { name, purpose, .. }| format!("{name} ({purpose})"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Unprivileged { missing }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named() {
        let both = CapabilitySet::BPF | CapabilitySet::PERFMON;
        let kill = CapabilitySet::KILL | CapabilitySet::DAC_OVERRIDE;
        let cases = [
            ("nobody", CapabilitySet::empty(), Mode::Observe, 2),
            ("nobody who acts", CapabilitySet::empty(), Mode::Enforce, 4),
            ("observer", both, Mode::Observe, 0),
            ("observer who acts", both, Mode::Enforce, 2),
            ("old root", CapabilitySet::SYS_ADMIN | kill, Mode::Enforce, 0),
        ];
        for (name, held, mode, lacking) in cases {
            let found =
                missing(with_implied(held), mode).err().map_or(0, |error| error.missing.len());
            assert_eq!(found, lacking, "{name}");
        }
        let error = missing(both | CapabilitySet::KILL, Mode::Enforce).unwrap_err().to_string();
        assert!(
            error.starts_with("evictd lacks CAP_DAC_OVERRIDE (to write cgroup.kill);"),
            "{error}"
        );
    }
}
