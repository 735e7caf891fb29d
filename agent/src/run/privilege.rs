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

/// A capability, what it is needed for, and whether observe mode needs it too.
const NEEDED: &[(CapabilitySet, &str, &str, bool)] = &[
    (CapabilitySet::BPF, "CAP_BPF", "to load the probes", true),
    (CapabilitySet::PERFMON, "CAP_PERFMON", "to let them read kernel structures", true),
    (CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "to write cgroup.kill", false),
    (CapabilitySet::KILL, "CAP_KILL", "to kill a pod's processes", false),
];

/// Checks the effective capabilities of this process.
pub fn check(mode: Mode) -> Result<(), Unprivileged> {
    // A kernel that does not tell is asked again by the first BPF call.
    let held = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    missing(held, mode)
}

fn missing(held: CapabilitySet, mode: Mode) -> Result<(), Unprivileged> {
    let bpf = CapabilitySet::BPF | CapabilitySet::PERFMON;
    // Before 5.8, and as a superset since, CAP_SYS_ADMIN stands for both BPF capabilities.
    let held = if held.contains(CapabilitySet::SYS_ADMIN) { held | bpf } else { held };
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(_, _, _, always)| *always || mode == Mode::Enforce)
        .filter(|(capability, ..)| !held.contains(*capability))
        .map(|(_, name, purpose, _)| format!("{name} ({purpose})"))
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
            let found = missing(held, mode).err().map_or(0, |error| error.missing.len());
            assert_eq!(found, lacking, "{name}");
        }
        let error = missing(both | CapabilitySet::KILL, Mode::Enforce).unwrap_err().to_string();
        assert!(
            error.starts_with("evictd lacks CAP_DAC_OVERRIDE (to write cgroup.kill);"),
            "{error}"
        );
    }
}
