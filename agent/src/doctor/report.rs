//! What was found, as `--json` gives it.

use serde::Serialize;

use crate::probe::Refused;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// evictd's version.
    pub version: &'static str,
    /// The worst of what follows.
    pub verdict: Verdict,
    /// The kernel.
    pub kernel: Kernel,
    /// The cgroup hierarchies.
    pub cgroup: Cgroup,
    /// What this process may do.
    pub capabilities: Vec<Capability>,
    /// Where `evictd run` with these arguments has its pods from.
    pub pods: Pods,
    /// The probe families. Empty where no probe can be loaded at all.
    pub probes: Vec<Probe>,
    /// Why no probe can be loaded at all, if so.
    pub no_probes: Option<String>,
    /// What their maps take of memory; `null` without probes, or where the kernel does not tell.
    pub maps: Option<Maps>,
}

/// See [`Report::maps`].
#[derive(Debug, Serialize)]
pub struct Maps {
    /// Kernel memory of all of them, bytes.
    pub bytes: u64,
    /// The counting maps take no more than about so much, however large the node.
    pub most_bytes: u64,
    /// Pods that there is room for: the kubelet's `maxPods`, at least 110.
    pub pods: u32,
    /// Possible CPUs, each with counters of its own.
    pub cpus: u32,
}

/// See [`Report::pods`].
#[derive(Debug, Default, Serialize)]
pub struct Pods {
    /// `manifests` or `api`.
    pub source: &'static str,
    /// The directory, or the address of the API server.
    pub place: String,
    /// The node that the API server is asked for; `null` for manifests.
    pub node: Option<String>,
    /// Pods that the API server tells now; `null` for manifests and where it tells none.
    pub listed: Option<usize>,
    /// Why it does not.
    pub problem: Option<String>,
    /// Evictd does not run without (`--require-api`).
    pub required: bool,
}

/// How well evictd works here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As well as it can.
    Ready,
    /// With less than it could have; named below.
    Degraded,
    /// Not at all.
    Unable,
}

/// See [`Report::kernel`].
#[derive(Debug, Serialize)]
pub struct Kernel {
    /// Its release.
    pub release: String,
    /// Its architecture.
    pub machine: String,
    /// Size of its BTF in bytes; `null` without one.
    pub btf_bytes: Option<u64>,
    /// Why there is no BTF.
    pub btf_problem: Option<String>,
    /// `none`, `integrity` or `confidentiality`; `null` where the kernel does not tell.
    pub lockdown: Option<String>,
    /// Where tracefs is, which describes the plain tracepoints; `null` if it is not mounted.
    pub tracefs: Option<String>,
}

/// See [`Report::cgroup`].
#[derive(Debug, Serialize)]
pub struct Cgroup {
    /// `v2`, `hybrid` or `v1`; `null` if there is none.
    pub layout: Option<&'static str>,
    /// What is mounted where.
    pub hierarchies: Vec<Hierarchy>,
    /// What is wrong.
    pub problem: Option<String>,
}

/// One hierarchy.
#[derive(Debug, Serialize)]
pub struct Hierarchy {
    /// `unified`, or the v1 controller.
    pub name: &'static str,
    /// Where it is mounted.
    pub path: String,
}

/// One capability.
#[derive(Debug, Serialize)]
pub struct Capability {
    /// `CAP_…`
    pub name: &'static str,
    /// Whether evictd has it.
    pub held: bool,
    /// What for.
    pub purpose: &'static str,
    /// `observe`, `enforce` or `robustness`: what lacks without it.
    pub needed_to: &'static str,
}

/// One probe family.
#[derive(Debug, Serialize)]
pub struct Probe {
    /// Its name.
    pub family: &'static str,
    /// The rung in use; `null` if all were refused.
    pub rung: Option<&'static str>,
    /// Better rungs and why they were refused.
    pub refused: Vec<Refused>,
    /// What works less well for it; `null` on the best rung.
    pub cost: Option<&'static str>,
}
