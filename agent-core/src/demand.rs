//! What a pod uses of a signal beside what it requests: the numbers that ranking compares.

use crate::{
    FsLayout, PodFacts, PodObservation, PodStats, Quantity, Resource, ResourceList, Semantics,
    Signal, VolumeKind,
    figure::usage_of,
    rank::RankBy,
    stats::{FsStats, or_nothing},
};

/// Nano units in one unit, as in [`Quantity::nanos`].
const NANOS: i128 = 1_000_000_000;

/// A pod's usage and request of one signal. Requests may be fractions of a byte, so comparisons are
/// made in nano units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Usage in the signal's unit; `None` is unknown. The kubelet's numbers may be negative (S-9).
    pub(crate) usage: Option<i128>,
    /// The request that "exceeds" is about, in nano units.
    request: i128,
    /// The request that is taken off the usage, in nano units.
    deducted: i128,
}

impl Demand {
    /// In strict semantics from what cgroups and directories tell; in kubelet semantics from the
    /// kubelet's own statistics where `summary` says that they are at hand.
    pub(crate) fn of(pod: &PodObservation, by: RankBy) -> Self {
        let RankBy { signal, semantics, layout, .. } = by;
        let resource = signal.resource();
        let seen = || usage_of(signal, &pod.usage, layout).map(i128::from);
        match semantics {
            Semantics::Strict => {
                let request = own_request(resource, &pod.facts);
                Self { usage: seen(), request, deducted: request }
            }
            Semantics::Kubelet => {
                let usage = if by.summary {
                    let stats = pod.stats.as_deref();
                    stats.map(|stats| measure(signal, stats, &pod.facts, layout))
                } else {
                    seen()
                };
                // R-6, E-26: a request of bytes is taken off a number of inodes.
                let deducted = match resource {
                    Resource::Inodes => Resource::EphemeralStorage,
                    Resource::Memory | Resource::EphemeralStorage | Resource::Pids => resource,
                };
                Self {
                    usage,
                    request: kubelet_request(resource, &pod.facts, by),
                    deducted: kubelet_request(deducted, &pod.facts, by),
                }
            }
        }
    }

    /// The request in the signal's unit, rounded down.
    pub(crate) fn request_units(&self) -> u64 {
        u64::try_from(self.request / NANOS).unwrap_or(if self.request < 0 { 0 } else { u64::MAX })
    }

    /// More is used than requested; `None` when usage is unknown.
    pub(crate) fn exceeds(&self) -> Option<bool> {
        Some(self.nanos()? > self.request)
    }

    /// What is used beyond the request, in nano units.
    pub(crate) fn excess(&self) -> Option<i128> {
        Some(self.nanos()?.saturating_sub(self.deducted))
    }

    fn nanos(&self) -> Option<i128> {
        self.usage.map(|usage| usage.saturating_mul(NANOS))
    }
}

/// None for inodes and pids (R-1b, R-6).
fn own_request(resource: Resource, facts: &PodFacts) -> i128 {
    let units = match resource {
        Resource::Memory => facts.memory_request,
        Resource::EphemeralStorage => facts.ephemeral_storage_request,
        Resource::Inodes | Resource::Pids => 0,
    };
    i128::from(units) * NANOS
}

/// R-5 as the kubelet reckons, where the manifest is known in detail.
fn kubelet_request(resource: Resource, facts: &PodFacts, by: RankBy) -> i128 {
    let pick: fn(&ResourceList) -> Option<Quantity> = match resource {
        Resource::Memory => |list| list.memory,
        Resource::EphemeralStorage => |list| list.ephemeral_storage,
        Resource::Inodes | Resource::Pids => return 0,
    };
    match &facts.spec {
        Some(spec) if by.pod_level_resources => pick(spec.requests()).map_or(0, Quantity::nanos),
        Some(spec) => pick(spec.container_requests()).map_or(0, Quantity::nanos),
        None => own_request(resource, facts),
    }
}

/// S-19, R-3, R-8: the pod's figure for that signal out of its statistics.
fn measure(signal: Signal, stats: &PodStats, facts: &PodFacts, layout: FsLayout) -> i128 {
    match signal.resource() {
        Resource::Memory => or_nothing(stats.memory_working_set).into(),
        Resource::Pids => or_nothing(stats.process_count).into(),
        Resource::EphemeralStorage => disk(signal, stats, facts, layout, |fs| fs.used),
        Resource::Inodes => disk(signal, stats, facts, layout, |fs| fs.inodes_used),
    }
}

fn disk(
    signal: Signal,
    stats: &PodStats,
    facts: &PodFacts,
    layout: FsLayout,
    pick: impl Fn(&FsStats) -> Option<u64>,
) -> i128 {
    let parts = layout.parts(signal);
    let mut sum: i128 = 0;
    let mut add = |fs: &FsStats| sum += i128::from(or_nothing(pick(fs)));
    for container in &stats.containers {
        if parts.rootfs {
            add(&container.rootfs);
        }
        if parts.logs_and_volumes {
            add(&container.logs);
        }
    }
    if parts.logs_and_volumes {
        let volumes = facts.spec.as_deref().map_or(&[][..], |spec| spec.volumes());
        let is_local = |kind: VolumeKind| kind.is_local();
        for volume in volumes.iter().filter(|volume| is_local(volume.kind)) {
            if let Some(held) = stats.volumes.iter().find(|held| held.name == volume.name) {
                add(&held.fs);
            }
        }
    }
    sum
}
