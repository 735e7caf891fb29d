//! Whether a pod may start on a node under pressure.

use std::fmt;

use crate::{NodeCondition, PodFacts, Qos};

/// A pod that asks to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// Its quality of service class.
    pub qos: Qos,
    /// Static, mirror or of critical priority (K-7).
    pub is_critical: bool,
    /// It tolerates the taint `node.kubernetes.io/memory-pressure:NoSchedule`.
    pub tolerates_memory_pressure: bool,
}

impl Applicant {
    /// The pod of these facts; whether it tolerates memory pressure they do not say.
    pub const fn of(facts: &PodFacts, tolerates_memory_pressure: bool) -> Self {
        Self { qos: facts.qos, is_critical: facts.is_critical(), tolerates_memory_pressure }
    }
}

/// The node's conditions, indexed by [`NodeCondition::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeConditions(pub [bool; NodeCondition::COUNT]);

impl NodeConditions {
    /// Those that are reported.
    pub fn iter(self) -> impl Iterator<Item = NodeCondition> {
        NodeCondition::ALL.into_iter().filter(move |condition| self.0[condition.index()])
    }

    /// true when a pod may start under these conditions. Tolerations help against memory
    /// pressure alone (E-38, E-39).
    pub const fn admit(self, pod: Applicant) -> bool {
        match self.0 {
            [false, false, false] => true,
            _ if pod.is_critical => true,
            [true, false, false] => {
                !matches!(pod.qos, Qos::BestEffort) || pod.tolerates_memory_pressure
            }
            _ => false,
        }
    }
}

impl fmt::Display for NodeConditions {
    /// The kubelet's message to a pod that is turned away, with its closing space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The node had condition: [")?;
        for (i, condition) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { " " };
            write!(f, "{separator}{condition}")?;
        }
        f.write_str("]. ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn applicant(qos: Qos) -> Applicant {
        Applicant { qos, is_critical: false, tolerates_memory_pressure: false }
    }

    #[test]
    fn pods_are_admitted_as_conditions_allow() {
        let best_effort = applicant(Qos::BestEffort);
        let tolerant = Applicant { tolerates_memory_pressure: true, ..best_effort };
        let critical = Applicant { is_critical: true, ..best_effort };
        let burstable = applicant(Qos::Burstable);
        let guaranteed = applicant(Qos::Guaranteed);
        let pods = [best_effort, tolerant, burstable, guaranteed, critical];
        let cases = [
            ("A-1 none", [false, false, false], [true, true, true, true, true]),
            ("A-3 memory alone", [true, false, false], [false, true, true, true, true]),
            ("A-4 disk, E-39", [false, true, false], [false, false, false, false, true]),
            ("A-4 pids", [false, false, true], [false, false, false, false, true]),
            ("E-38 memory and disk", [true, true, false], [false, false, false, false, true]),
        ];
        for (name, conditions, admitted) in cases {
            assert_eq!(pods.map(|pod| NodeConditions(conditions).admit(pod)), admitted, "{name}");
        }
    }

    #[test]
    fn the_message_lists_the_conditions() {
        let text = NodeConditions([true, true, false]).to_string();
        assert_eq!(text, "The node had condition: [MemoryPressure DiskPressure]. ");
    }
}
