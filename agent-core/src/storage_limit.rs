//! Limits of local storage that a pod sets itself (P-1 to P-6).

use std::{fmt, sync::Arc};

use crate::{
    EvictionId, FsLayout, MonoTime, PodRef, PodSpec, PodStats, Quantity, stats::or_nothing,
};

/// A limit that a pod is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StorageLimit {
    /// P-2: `sizeLimit` of an emptyDir volume.
    EmptyDir {
        /// The volume.
        volume: Arc<str>,
        /// Its limit.
        limit: Quantity,
    },
    /// P-3: the ephemeral storage of the pod as a whole.
    Pod {
        /// The limit.
        limit: Quantity,
    },
    /// P-4: the ephemeral storage of one container.
    Container {
        /// The container.
        name: Arc<str>,
        /// Its limit.
        limit: Quantity,
    },
}

/// The decision to evict a pod that is over a limit of its own: at once and with no node condition
/// (P-5, E-31).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LimitEviction {
    /// Number of this eviction.
    pub id: EvictionId,
    /// Whom.
    pub pod: PodRef,
    /// The limit.
    pub limit: StorageLimit,
    /// What was held where the limit applies, in bytes.
    pub used: i64,
    /// When it was decided.
    pub decided_at: MonoTime,
}

impl LimitEviction {
    /// The grace the kubelet gives, in seconds (P-5).
    pub const GRACE_OVERRIDE_SECONDS: i64 = 1;
}

impl StorageLimit {
    /// The name that evictions are counted under (O-11).
    pub const fn metric(&self) -> &'static str {
        match self {
            Self::EmptyDir { .. } => "emptydirfs.limit",
            Self::Pod { .. } => "ephemeralpodfs.limit",
            Self::Container { .. } => "ephemeralcontainerfs.limit",
        }
    }

    /// The limit itself.
    pub const fn quantity(&self) -> Quantity {
        match self {
            Self::EmptyDir { limit, .. } | Self::Pod { limit } | Self::Container { limit, .. } => {
                *limit
            }
        }
    }

    /// What `stats` say is held where the limit applies, in bytes; what is not reported counts as
    /// nothing.
    pub(crate) fn held(&self, stats: &PodStats) -> i64 {
        match self {
            Self::EmptyDir { volume, .. } => {
                let held = stats.volumes.iter().rfind(|held| held.name == *volume);
                held.map_or(0, |held| or_nothing(held.fs.used))
            }
            Self::Pod { .. } => or_nothing(stats.ephemeral_storage_used),
            Self::Container { name, .. } => {
                let held = stats.containers.iter().find(|held| held.name == *name);
                held.map_or(0, |c| {
                    or_nothing(c.logs.used).saturating_add(or_nothing(c.rootfs.used))
                })
            }
        }
    }

    /// The first limit the pod is over, in the order of P-2, P-3, P-4. `counts_rootfs`: writable layers
    /// count against a container's limit.
    pub(crate) fn exceeded(spec: &PodSpec, stats: &PodStats, counts_rootfs: bool) -> Option<Self> {
        empty_dir(spec, stats)
            .or_else(|| pod(spec, stats))
            .or_else(|| container(spec, stats, counts_rootfs))
    }
}

/// P-4, E-28: where images have a filesystem of their own the kubelet forgets the writable layers.
pub(crate) const fn kubelet_counts_rootfs(layout: FsLayout) -> bool {
    matches!(layout, FsLayout::Single)
}

/// Nano units in one unit, as in [`Quantity::nanos`].
const NANOS: i128 = 1_000_000_000;

fn is_over(used: i128, limit: Quantity) -> bool {
    used * NANOS > limit.nanos()
}

/// P-2, P-6: a volume whose usage is not reported is not over its limit. Names are compared only when
/// some volume is over the least of the limits.
fn empty_dir(spec: &PodSpec, stats: &PodStats) -> Option<StorageLimit> {
    let least = spec.least_size_limit()?;
    if !stats.volumes.iter().any(|held| is_over(or_nothing(held.fs.used).into(), least)) {
        return None;
    }
    spec.volumes().iter().find_map(|volume| {
        let limit = volume.size_limit.filter(|limit| limit.signum() > 0)?;
        let held = stats.volumes.iter().rfind(|held| held.name == volume.name)?;
        let over = volume.kind.is_empty_dir() && is_over(or_nothing(held.fs.used).into(), limit);
        let volume = || volume.name.clone();
        over.then(|| StorageLimit::EmptyDir { volume: volume(), limit })
    })
}

/// P-3: what is not reported counts as nothing.
fn pod(spec: &PodSpec, stats: &PodStats) -> Option<StorageLimit> {
    let limit = spec.ephemeral_storage_limit()?;
    is_over(or_nothing(stats.ephemeral_storage_used).into(), limit)
        .then_some(StorageLimit::Pod { limit })
}

/// P-4: a limit of nothing is no limit. Names are compared only for a container that is over the least
/// of the limits.
fn container(spec: &PodSpec, stats: &PodStats, counts_rootfs: bool) -> Option<StorageLimit> {
    let least = spec.least_container_limit()?;
    stats.containers.iter().find_map(|container| {
        let rootfs = if counts_rootfs { or_nothing(container.rootfs.used) } else { 0 };
        let used = i128::from(or_nothing(container.logs.used)) + i128::from(rootfs);
        if !is_over(used, least) {
            return None;
        }
        let limits = spec.containers().iter().rev().filter(|c| c.name == container.name);
        let limit = limits
            .filter_map(|c| c.limits.ephemeral_storage)
            .find(|limit| !limit.is_zero())
            .filter(|limit| is_over(used, *limit))?;
        Some(StorageLimit::Container { name: container.name.clone(), limit })
    })
}

impl fmt::Display for StorageLimit {
    /// The kubelet's message (spec §5.1), with its closing space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyDir { volume, limit } => {
                write!(f, "Usage of EmptyDir volume \"{volume}\" exceeds the limit \"{limit}\". ")
            }
            Self::Pod { limit } => write!(
                f,
                "Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
            ),
            Self::Container { name, limit } => write!(
                f,
                "Container {name} exceeded its local ephemeral storage limit \"{limit}\". "
            ),
        }
    }
}
