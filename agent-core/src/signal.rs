//! The closed set of eviction signals: the kubelet's nine (kubelet spec §1.1, S-1) and two of evictd's own.

use std::fmt;

use crate::{Format, Semantics};

/// An eviction signal. The operator is always "less than" (S-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Signal {
    /// `memory.available`, bytes.
    MemoryAvailable,
    /// `allocatableMemory.available`, bytes left under the limit of the pods cgroup.
    AllocatableMemoryAvailable,
    /// `nodefs.available`, bytes.
    NodefsAvailable,
    /// `nodefs.inodesFree`, inodes.
    NodefsInodesFree,
    /// `logfs.available`, bytes: evictd's own signal, for container logs that lie on a filesystem apart
    /// from nodefs (E-46). Strict semantics only, as the next one.
    LogfsAvailable,
    /// `logfs.inodesFree`, inodes.
    LogfsInodesFree,
    /// `imagefs.available`, bytes.
    ImagefsAvailable,
    /// `imagefs.inodesFree`, inodes.
    ImagefsInodesFree,
    /// `containerfs.available`, bytes.
    ContainerfsAvailable,
    /// `containerfs.inodesFree`, inodes.
    ContainerfsInodesFree,
    /// `pid.available`, tasks.
    PidAvailable,
}

/// The resource a signal is about, as ranking and messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `memory`
    Memory,
    /// `ephemeral-storage`
    EphemeralStorage,
    /// `inodes`
    Inodes,
    /// `pids`
    Pids,
}

/// The node condition a signal raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeCondition {
    /// `MemoryPressure`
    MemoryPressure,
    /// `DiskPressure`
    DiskPressure,
    /// `PIDPressure`
    PidPressure,
}

impl Signal {
    /// Number of signals.
    pub const COUNT: usize = 11;

    /// Every signal, in the order in which ties between signals are broken.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MemoryAvailable,
        Self::AllocatableMemoryAvailable,
        Self::NodefsAvailable,
        Self::NodefsInodesFree,
        Self::LogfsAvailable,
        Self::LogfsInodesFree,
        Self::ImagefsAvailable,
        Self::ImagefsInodesFree,
        Self::ContainerfsAvailable,
        Self::ContainerfsInodesFree,
        Self::PidAvailable,
    ];

    /// The name used in configuration and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryAvailable => "memory.available",
            Self::AllocatableMemoryAvailable => "allocatableMemory.available",
            Self::NodefsAvailable => "nodefs.available",
            Self::NodefsInodesFree => "nodefs.inodesFree",
            Self::LogfsAvailable => "logfs.available",
            Self::LogfsInodesFree => "logfs.inodesFree",
            Self::ImagefsAvailable => "imagefs.available",
            Self::ImagefsInodesFree => "imagefs.inodesFree",
            Self::ContainerfsAvailable => "containerfs.available",
            Self::ContainerfsInodesFree => "containerfs.inodesFree",
            Self::PidAvailable => "pid.available",
        }
    }

    /// True when those semantics know the signal: the kubelet has nine of them (T-1), strict semantics
    /// also those of logs that lie apart (E-46).
    pub const fn is_known_to(self, semantics: Semantics) -> bool {
        matches!(semantics, Semantics::Strict)
            || !matches!(self, Self::LogfsAvailable | Self::LogfsInodesFree)
    }

    /// The signal of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The resource that runs out.
    pub const fn resource(self) -> Resource {
        match self {
            Self::MemoryAvailable | Self::AllocatableMemoryAvailable => Resource::Memory,
            Self::NodefsAvailable
            | Self::LogfsAvailable
            | Self::ImagefsAvailable
            | Self::ContainerfsAvailable => Resource::EphemeralStorage,
            Self::NodefsInodesFree
            | Self::LogfsInodesFree
            | Self::ImagefsInodesFree
            | Self::ContainerfsInodesFree => Resource::Inodes,
            Self::PidAvailable => Resource::Pids,
        }
    }

    /// The node condition raised while the signal is below its threshold.
    pub const fn condition(self) -> NodeCondition {
        match self.resource() {
            Resource::Memory => NodeCondition::MemoryPressure,
            Resource::EphemeralStorage | Resource::Inodes => NodeCondition::DiskPressure,
            Resource::Pids => NodeCondition::PidPressure,
        }
    }

    /// The suffix family its available amount is printed with (kubelet spec §1.1).
    pub const fn format(self) -> Format {
        match self.resource() {
            Resource::Memory | Resource::EphemeralStorage => Format::BinarySi,
            Resource::Inodes | Resource::Pids => Format::DecimalSi,
        }
    }

    /// Position in [`Signal::ALL`], for tables indexed by signal.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Resource {
    /// Number of resources.
    pub const COUNT: usize = 4;

    /// Every resource.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Memory, Self::EphemeralStorage, Self::Inodes, Self::Pids];

    /// Position in [`Resource::ALL`], for tables indexed by resource.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name used in messages (kubelet spec §1.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::EphemeralStorage => "ephemeral-storage",
            Self::Inodes => "inodes",
            Self::Pids => "pids",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl NodeCondition {
    /// Number of conditions.
    pub const COUNT: usize = 3;

    /// Every condition.
    pub const ALL: [Self; Self::COUNT] =
        [Self::MemoryPressure, Self::DiskPressure, Self::PidPressure];

    /// Position in [`NodeCondition::ALL`], for tables indexed by condition.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The kubelet's name of the condition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryPressure => "MemoryPressure",
            Self::DiskPressure => "DiskPressure",
            Self::PidPressure => "PIDPressure",
        }
    }
}

impl fmt::Display for NodeCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_found_by_its_name_and_index() {
        for (i, signal) in Signal::ALL.into_iter().enumerate() {
            assert_eq!(signal.index(), i);
            assert_eq!(Signal::from_name(signal.name()), Some(signal));
        }
        assert_eq!(Signal::from_name("memory.free"), None);
    }
}
