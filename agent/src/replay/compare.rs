//! What was recorded beside what is decided now.

use serde::Serialize;

use super::decision::Decision;

/// Who made a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Both.
    Same,
    /// It was made when the trace was recorded, and is not made now.
    OnlyRecorded,
    /// It was not made then.
    OnlyReplayed,
}

impl Change {
    /// The sign before a line.
    pub const fn sign(self) -> char {
        match self {
            Self::Same => '=',
            Self::OnlyRecorded => '-',
            Self::OnlyReplayed => '+',
        }
    }
}

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Who made it.
    pub change: Change,
    /// With the replay's numbers where both made it.
    #[serde(flatten)]
    pub decision: Decision,
}

/// Both in one list by time, each decision once.
pub fn compare(recorded: Vec<Decision>, replayed: Vec<Decision>) -> Vec<Compared> {
    let mut replayed: Vec<_> = replayed
        .into_iter()
        .map(|d| Compared { change: Change::OnlyReplayed, decision: d })
        .collect();
    let mut only_recorded = Vec::new();
    // Both are in order of time, so what is the same is never far from here.
    let mut from = 0;
    for decision in recorded {
        while replayed.get(from).is_some_and(|other| other.decision.at < decision.at) {
            from += 1;
        }
        let now = replayed[from..].iter_mut().take_while(|other| other.decision.at == decision.at);
        let mut open = now.filter(|other| other.change == Change::OnlyReplayed);
        match open.find(|other| other.decision.is_same(&decision)) {
            Some(other) => other.change = Change::Same,
            None => only_recorded.push(Compared { change: Change::OnlyRecorded, decision }),
        }
    }
    let mut all = only_recorded;
    all.append(&mut replayed);
    all.sort_by_key(|line| line.decision.at);
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::replay::decision::What;

    fn decision(at: u64, condition: &'static str) -> Decision {
        let what = What::Condition { condition, status: true };
        Decision { at: Duration::from_secs(at), what, place: None }
    }

    #[test]
    fn each_decision_is_listed_once_and_in_order_of_time() {
        let recorded = vec![decision(1, "a"), decision(2, "b"), decision(2, "c"), decision(5, "d")];
        let replayed = vec![decision(1, "a"), decision(2, "c"), decision(3, "d"), decision(3, "d")];
        let told: Vec<_> = compare(recorded, replayed)
            .iter()
            .map(|line| {
                let What::Condition { condition, .. } = line.decision.what else { return None };
                Some((line.change.sign(), line.decision.at.as_secs(), condition))
            })
            .map(Option::unwrap)
            .collect();
        let expected = [
            ('=', 1, "a"),
            ('-', 2, "b"),
            ('=', 2, "c"),
            ('+', 3, "d"),
            ('+', 3, "d"),
            ('-', 5, "d"),
        ];
        assert_eq!(told, expected);
    }
}
