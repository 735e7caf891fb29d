//! The flags that are read.

use evictd_core::MapField;

/// A flag that is read.
#[derive(Clone, Copy)]
pub(super) enum Flag {
    Text(TextFlag),
    Bool(BoolFlag),
}

/// Flags with a value, in the same word or in the next.
#[derive(Clone, Copy)]
pub(super) enum TextFlag {
    Map(MapField),
    TransitionPeriod,
    MaxPodGrace,
    EnforceNodeAllocatable,
    FeatureGates,
    RootDirectory,
    CgroupRoot,
    MaxPods,
    RuntimeEndpoint,
    ImageMinimumAge,
    Config,
    ConfigDir,
}

/// Flags that stand for true alone and take a value only after `=`.
#[derive(Clone, Copy)]
pub(super) enum BoolFlag {
    IgnoreAllocatable,
    LocalStorageIsolation,
    KernelMemcgNotification,
}

impl Flag {
    /// By its name without the dashes.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "eviction-hard" => Self::Text(TextFlag::Map(MapField::Hard)),
            "eviction-soft" => Self::Text(TextFlag::Map(MapField::Soft)),
            "eviction-soft-grace-period" => Self::Text(TextFlag::Map(MapField::SoftGracePeriod)),
            "eviction-minimum-reclaim" => Self::Text(TextFlag::Map(MapField::MinimumReclaim)),
            "eviction-pressure-transition-period" => Self::Text(TextFlag::TransitionPeriod),
            "eviction-max-pod-grace-period" => Self::Text(TextFlag::MaxPodGrace),
            "enforce-node-allocatable" => Self::Text(TextFlag::EnforceNodeAllocatable),
            "feature-gates" => Self::Text(TextFlag::FeatureGates),
            "root-dir" => Self::Text(TextFlag::RootDirectory),
            "cgroup-root" => Self::Text(TextFlag::CgroupRoot),
            "max-pods" => Self::Text(TextFlag::MaxPods),
            "container-runtime-endpoint" => Self::Text(TextFlag::RuntimeEndpoint),
            "minimum-image-ttl-duration" => Self::Text(TextFlag::ImageMinimumAge),
            "config" => Self::Text(TextFlag::Config),
            "config-dir" => Self::Text(TextFlag::ConfigDir),
            "experimental-allocatable-ignore-eviction" => Self::Bool(BoolFlag::IgnoreAllocatable),
            "local-storage-capacity-isolation" => Self::Bool(BoolFlag::LocalStorageIsolation),
            "kernel-memcg-notification" => Self::Bool(BoolFlag::KernelMemcgNotification),
            _ => return None,
        })
    }
}
