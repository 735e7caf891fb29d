//! Why signals are looked at.

use serde::Serialize;

/// Why the evaluator looked at the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WokenBy {
    /// A budget was used up.
    Tripwire,
    /// The kernel began to reclaim memory.
    Reclaim,
    /// `memory.events` of some cgroup changed.
    MemoryEvent,
    /// Memory could have reached a threshold by now, or a timer of the evaluator ran out.
    Look,
    /// A second has passed.
    Tick,
}

impl WokenBy {
    /// All, the most urgent first.
    pub const ALL: [Self; 5] =
        [Self::Tripwire, Self::Reclaim, Self::MemoryEvent, Self::Look, Self::Tick];

    /// As records have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tripwire => "tripwire",
            Self::Reclaim => "reclaim",
            Self::MemoryEvent => "memory-event",
            Self::Look => "look",
            Self::Tick => "tick",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_name() {
        for by in WokenBy::ALL {
            assert_eq!(serde_json::to_value(by).unwrap(), by.name());
        }
    }
}
