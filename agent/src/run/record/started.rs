//! What evictd begins with.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{probe::Refused, run::pods_from::PodsFrom, state::UsageBy};

/// See [`super::Record::Started`].
#[derive(Debug, Serialize)]
pub struct Started {
    /// evictd's version.
    pub version: &'static str,
    /// The kernel's release.
    pub kernel: String,
    /// `observe` or `enforce`.
    pub mode: &'static str,
    /// `v2`, `hybrid` or `v1`.
    pub cgroup: &'static str,
    /// Number of pods.
    pub pods: usize,
    /// Where they come from.
    pub pods_from: PodsFrom,
    /// Probe family to the rung in use.
    pub rungs: BTreeMap<&'static str, RungInUse>,
    /// nodefs now.
    pub nodefs: Filesystem,
    /// The filesystem of container logs now, where it is watched beside nodefs.
    pub logfs: Option<Filesystem>,
    /// Kernel memory of the BPF maps, bytes; `null` if unknown.
    pub map_bytes: Option<u64>,
    /// Pods that they have room for: `maxPods`, the pods there are, or 110, whichever is most.
    pub map_pods: u32,
    /// Possible CPUs, each with counters of its own in them.
    pub map_cpus: u32,
}

/// The rung of one family.
#[derive(Debug, Serialize)]
pub struct RungInUse {
    /// `null` if none can be used.
    pub rung: Option<&'static str>,
    /// Better rungs and why they were refused.
    pub refused: Vec<Refused>,
}

/// See [`Started::nodefs`].
#[derive(Debug, Serialize)]
pub struct Filesystem {
    /// A path on it.
    pub path: String,
    /// Bytes available; `null` if unknown.
    pub available: Option<i64>,
    /// Bytes in all; `null` if unknown.
    pub capacity: Option<i64>,
    /// What pods hold on it goes by `space`, blocks counted by the kernel, or by what was `written`.
    pub usage_by: UsageBy,
}
