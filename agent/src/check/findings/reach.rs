//! Thresholds that are met always, never, or now, on this node.

use evictd_core::{Signal, ThresholdValue};

use super::{Found, Rule, Subject, warning};
use crate::check::{
    amount::Amount,
    in_force::{InForce, Origin},
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "met-always", because: &["L-4", "T-7"], find: met_always },
    Rule { code: "met-never", because: &["L-4", "T-7"], find: met_never },
    Rule { code: "met-now", because: &["L-4"], find: met_now },
];

fn met_always(s: &Subject<'_>) -> Vec<Found> {
    reachable(s).filter(|row| is_always_met(row)).filter_map(|row| {
        let signal = row.signal();
        let capacity = row.seen?.capacity;
        Some(warning(
            row.at(),
            format!(
                "{signal} is always below {}{}: all there is of it is {}, so pods are evicted until \
                 none is left",
                Amount(signal, row.quantity()?),
                copy(row),
                Amount(signal, capacity)
            ),
            format!("less than {}", Amount(signal, capacity)),
        ))
    })
    .collect()
}

fn met_never(s: &Subject<'_>) -> Vec<Found> {
    let nothing = |row: &&InForce| row.quantity().is_some_and(|q| (i64::MIN + 1..=0).contains(&q));
    let found = |row: &InForce| {
        warning(
            row.at(),
            format!(
                "{}{} comes to nothing here: no amount of {} is below it",
                row.written,
                copy(row),
                row.signal()
            ),
            "a larger share, or a quantity",
        )
    };
    reachable(s).filter(nothing).filter(|row| !is_extreme(row)).map(found).collect()
}

fn met_now(s: &Subject<'_>) -> Vec<Found> {
    let now =
        |row: &&InForce| row.is_met() == Some(true) && !is_always_met(row) && !is_extreme(row);
    reachable(s)
        .filter(now)
        .filter_map(|row| {
            let signal = row.signal();
            Some(warning(
                row.at(),
                format!(
                    "{signal} is {}, below {}{} already: {}",
                    Amount(signal, row.seen?.available),
                    Amount(signal, row.quantity()?),
                    copy(row),
                    if row.threshold.is_hard() {
                        "pods are evicted as soon as evictd acts"
                    } else {
                        "pods are evicted when the grace period is over"
                    }
                ),
                "free some of it first, or a lower threshold",
            ))
        })
        .collect()
}

/// Every threshold but the copies for containerfs, which tell nothing that their source does not.
fn reachable<'a>(s: &Subject<'a>) -> impl Iterator<Item = &'a InForce> {
    s.rows.iter().filter(|row| match &row.origin {
        Origin::Copied(source) => *source == Signal::MemoryAvailable,
        Origin::Written(_) | Origin::Default => true,
    })
}

fn is_always_met(row: &InForce) -> bool {
    let all = row.seen.zip(row.quantity()).is_some_and(|(seen, q)| q >= seen.capacity);
    all && !is_extreme(row)
}

/// 0.0% and 100.0% are told by rules of their own.
fn is_extreme(row: &InForce) -> bool {
    matches!(row.threshold.value, ThresholdValue::Percentage(share) if share <= 0.0 || share >= 1.0)
}

fn copy(row: &InForce) -> String {
    match &row.origin {
        Origin::Copied(source) => format!(" (a copy of the threshold on {source})"),
        Origin::Written(_) | Origin::Default => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use evictd_core::Signal;

    use super::super::{Severity::Warning, tests::assert_found};
    use crate::check::sample::Case;

    fn hard(signal: &str, value: &str) -> Case {
        Case::evictd(&format!("evictionHard: {{{signal}: \"{value}\"}}\n"))
    }

    #[test]
    fn thresholds_out_of_reach_are_told() {
        let memory = "memory.available";
        let pid = "pid.available";
        let tiny = hard(pid, "0.001%");
        let low = hard(pid, "10%").with(Signal::PidAvailable, 5, 32_768);
        for (name, case, code, expected) in [
            ("half", hard(memory, "7Gi"), "met-always", &[][..]),
            (
                "more than the pods cgroup has",
                hard(memory, "8Gi"),
                "met-always",
                &[
                    "allocatableMemory.available is always below 8.0 GiB (a copy of the threshold on \
                   memory.available): all there is of it is 8.0 GiB",
                ],
            ),
            ("more than the node has", hard(memory, "17Gi"), "met-always", &["memory", "alloc"]),
            (
                "more, but not known",
                hard(pid, "40000").node(|n| n.forget(Signal::PidAvailable, "")),
                "met-always",
                &[],
            ),
            ("comes to nothing", tiny, "met-never", &["0.001% comes to nothing here"]),
            ("a task", hard(pid, "1"), "met-never", &[]),
            ("clear", hard(pid, "10%"), "met-now", &[]),
            ("met", low, "met-now", &["pid.available is 5 tasks, below 3276 tasks already: pods"]),
            ("always met is not told twice", hard(pid, "40000"), "met-now", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|text| (Warning, *text)).collect();
            assert_found(name, &case, code, &expected);
        }
        let extreme = Case::kubelet("evictionHard: {pid.available: 100.0%}\n");
        for code in ["met-always", "met-now"] {
            assert_found("100.0% has a rule of its own", &extreme, code, &[]);
        }
    }
}
