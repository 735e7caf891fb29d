//! Columns: what they are called, how rows stand in their order, which text finds a row.

use std::cmp::Ordering;

use super::{escape::escape, snapshot::Row, units};
use crate::state::{MemoryEvents, Owner};

/// What rows can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Column {
    /// Namespace, pod and container, or path of the cgroup.
    Name,
    /// Files and log together.
    #[default]
    Disk,
    /// Bytes written to files.
    Write,
    /// Bytes written into the log.
    Log,
    /// Space taken on the disk.
    Growth,
    /// Threads.
    Tasks,
    /// Processes.
    Processes,
    /// Tasks created.
    Forks,
    /// Memory in use.
    Memory,
    /// Memory in use beyond the request.
    Request,
    /// Memory events: the new ones first.
    Events,
}

impl Column {
    /// Every column, with the key that sorts by it in the live table.
    pub const KEYS: [(char, Self); 11] = [
        ('n', Self::Name),
        ('d', Self::Disk),
        ('w', Self::Write),
        ('l', Self::Log),
        ('g', Self::Growth),
        ('t', Self::Tasks),
        ('p', Self::Processes),
        ('f', Self::Forks),
        ('m', Self::Memory),
        ('r', Self::Request),
        ('e', Self::Events),
    ];

    /// What a row has in it; `None` is unknown.
    fn figure(self, row: &Row) -> Option<f64> {
        let number = |figure: Option<u64>| figure.map(|figure| figure as f64);
        match self {
            Self::Name => None,
            Self::Disk => number(row.disk_bytes_per_second()),
            Self::Write => number(row.write_bytes_per_second),
            Self::Log => number(row.log_bytes_per_second),
            Self::Growth => row.growth_bytes_per_second.map(|growth| growth as f64),
            Self::Tasks => number(row.tasks),
            Self::Processes => number(row.processes),
            Self::Forks => row.forks_per_second,
            Self::Memory => number(row.memory_working_set),
            Self::Request => Some(number(row.memory_working_set)? - number(row.memory_request)?),
            Self::Events => {
                let all = total(row.memory_events?);
                // New ones outweigh any number of old ones.
                Some(row.memory_events_new.unwrap_or(0) as f64 * 1e12 + all as f64)
            }
        }
    }
}

/// Sorts: the largest first (names from A), the unknown last, equals by name. `reversed`: the smallest
/// first, the unknown still last.
pub fn sort(rows: &mut [Row], by: Column, reversed: bool) {
    rows.sort_by_cached_key(name);
    if by == Column::Name {
        if reversed {
            rows.reverse();
        }
        return;
    }
    rows.sort_by(|a, b| match (by.figure(a), by.figure(b)) {
        (Some(a), Some(b)) if reversed => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
}

/// Whether a row's name contains `text`, whatever the case.
pub fn matches(row: &Row, text: &str) -> bool {
    name(row).to_lowercase().contains(&text.to_lowercase())
}

/// `namespace/pod/container`, or the cgroup's path; escaped.
pub fn name(row: &Row) -> String {
    match &row.owner {
        Owner::Container { namespace, pod, container, .. } => {
            escape(&format!("{namespace}/{pod}/{container}"))
        }
        Owner::Pod { namespace, pod, .. } => escape(&format!("{namespace}/{pod}")),
        Owner::Cgroup { path, .. } => escape(path),
        Owner::Others => "(others)".to_owned(),
    }
}

/// The table's heading, and what sorts by each column.
pub const HEADINGS: [(&str, &[Column]); 10] = [
    ("CONTAINER OR CGROUP", &[Column::Name]),
    ("WRITE/s", &[Column::Write, Column::Disk]),
    ("LOG/s", &[Column::Log, Column::Disk]),
    ("GROWTH/s", &[Column::Growth]),
    ("TASKS", &[Column::Tasks]),
    ("PROCS", &[Column::Processes]),
    ("FORKS/s", &[Column::Forks]),
    ("MEMORY", &[Column::Memory]),
    ("REQUEST", &[Column::Request]),
    ("MEMORY EVENTS", &[Column::Events]),
];

/// A row as text: `?` is unknown, `-` is nothing that this row could have.
pub fn cells(row: &Row) -> [String; HEADINGS.len()] {
    let is_container = matches!(row.owner, Owner::Container { .. });
    let unknown = || "?".to_owned();
    let absent = || if is_container { unknown() } else { "-".to_owned() };
    [
        name(row),
        row.write_bytes_per_second.map_or_else(unknown, units::bytes),
        row.log_bytes_per_second.map_or_else(absent, units::bytes),
        row.growth_bytes_per_second.map_or_else(unknown, units::signed_bytes),
        row.tasks.map_or_else(unknown, units::count),
        row.processes.map_or_else(unknown, units::count),
        row.forks_per_second.map_or_else(unknown, units::rate),
        row.memory_working_set.map_or_else(unknown, units::bytes),
        row.memory_request.map_or_else(absent, units::bytes),
        row.memory_events.map_or_else(unknown, |seen| events(seen, row.memory_events_new)),
    ]
}

/// Those that happened: `max 12 oom_kill 1`, with `(+3)` for new ones.
fn events(events: MemoryEvents, new: Option<u64>) -> String {
    let MemoryEvents { high, max, oom, oom_kill } = events;
    let named = [("high", high), ("max", max), ("oom", oom), ("oom_kill", oom_kill)];
    let seen =
        named.into_iter().filter_map(|(name, count)| Some((name, count.filter(|n| *n > 0)?)));
    let mut text: Vec<String> =
        seen.map(|(name, n)| format!("{name} {}", units::count(n))).collect();
    if text.is_empty() {
        return "0".to_owned();
    }
    text.extend(new.filter(|new| *new > 0).map(|new| format!("(+{})", units::count(new))));
    text.join(" ")
}

fn total(events: MemoryEvents) -> u64 {
    [events.high, events.max, events.oom, events.oom_kill].into_iter().flatten().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::sample;

    fn names(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| name(row).chars().take(12).collect()).collect()
    }

    #[test]
    fn the_largest_is_first_and_the_unknown_last() {
        let mut rows = sample::snapshot().rows;
        let (app, worker, runtime) = ("shop/cart/ap", "shop/cart/wo", "/system.slic");
        let cases = [
            (Column::Name, false, [runtime, app, worker]),
            (Column::Name, true, [worker, app, runtime]),
            (Column::Log, false, [app, runtime, worker]),
            (Column::Log, true, [app, runtime, worker]),
            (Column::Write, false, [runtime, app, worker]),
            (Column::Write, true, [app, worker, runtime]),
            (Column::Forks, false, [worker, runtime, app]),
            (Column::Memory, true, [runtime, app, worker]),
            (Column::Growth, false, [runtime, app, worker]),
        ];
        for (column, reversed, expected) in cases {
            sort(&mut rows, column, reversed);
            assert_eq!(names(&rows), expected, "{column:?} {reversed}");
        }
    }

    #[test]
    fn a_filter_finds_parts_of_names_in_any_case() {
        let rows = sample::snapshot().rows;
        for (text, found) in [("", 3), ("CART", 2), ("cart/app", 1), ("containerd", 1), ("x1b", 1)]
        {
            assert_eq!(rows.iter().filter(|row| matches(row, text)).count(), found, "{text}");
        }
    }

    #[test]
    fn events_name_those_that_happened() {
        let seen = |max, oom_kill| MemoryEvents { max, oom_kill, ..MemoryEvents::default() };
        for (seen, new, expected) in [
            (seen(Some(0), Some(0)), Some(0), "0"),
            (seen(Some(12), Some(1)), Some(0), "max 12 oom_kill 1"),
            (seen(Some(12), None), Some(3), "max 12 (+3)"),
            (seen(Some(12), None), None, "max 12"),
        ] {
            assert_eq!(events(seen, new), expected);
        }
    }

    #[test]
    fn cells_tell_the_unknown_from_what_is_not() {
        let snapshot = sample::snapshot();
        let cells: Vec<_> = snapshot.rows.iter().map(|row| cells(row)[1..].join(" ")).collect();
        assert_eq!(
            cells,
            ["0 12M 0 3 2 0 48M 64M ?", "0 ? 0 3 2 250 48M 64M ?", "12M - 0 3 2 0 1.0M - ?"]
        );
    }
}
