//! Why a pod that is ranked is passed over.

use std::fmt;

use crate::PodFacts;

/// What keeps a ranked pod from being evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Static or mirror pod (K-7).
    Static,
    /// Priority of 2 000 000 000 or more (K-7).
    Critical,
    /// Protected by the configuration.
    Protected,
    /// It has no cgroup that could be killed.
    NoCgroup,
    /// Its eviction is under way.
    InFlight,
    /// Its cgroup was gone when it was to be killed.
    Gone,
    /// Its UID belonged to another cgroup when it was to be killed.
    Reused,
    /// Killing it failed a moment ago.
    BackingOff,
    /// It was killed and has no task left; what it still holds is not freed by killing it again.
    Emptied,
    /// Observe mode: counted as evicted already.
    Simulated,
    /// A disruption budget stood against its eviction a moment ago.
    Disruption,
    /// The API server could not be asked about it a moment ago.
    Unanswered,
}

impl Bar {
    /// The name used in decision records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Critical => "critical",
            Self::Protected => "protected",
            Self::NoCgroup => "no cgroup",
            Self::InFlight => "eviction under way",
            Self::Gone => "gone",
            Self::Reused => "uid reused",
            Self::BackingOff => "kill failed just now",
            Self::Emptied => "killed and empty",
            Self::Simulated => "observed as evicted",
            Self::Disruption => "disruption budget",
            Self::Unanswered => "API server gave no answer",
        }
    }

    /// True when the pod may be evicted in a moment, or its eviction may show one.
    pub(crate) const fn is_passing(self) -> bool {
        matches!(self, Self::InFlight | Self::BackingOff | Self::Unanswered)
    }

    /// True when it is about asking for an eviction, which hard ones do not.
    pub(crate) const fn yields_to_hard(self) -> bool {
        matches!(self, Self::Disruption | Self::Unanswered)
    }

    /// The bar that follows from the manifest and the cgroup alone.
    pub(crate) const fn of(facts: &PodFacts) -> Option<Self> {
        if facts.is_static {
            Some(Self::Static)
        } else if facts.is_critical() {
            Some(Self::Critical)
        } else if facts.protected {
            Some(Self::Protected)
        } else if facts.id.cgroup_inode == 0 {
            Some(Self::NoCgroup)
        } else {
            None
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
