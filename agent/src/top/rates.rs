//! Two readings and what happened in between.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::{Missing, Row, Snapshot};
use crate::{
    probe::Family,
    state::{Account, Count, LogCount, MemoryEvents, Owner, Reading, Source},
};

/// The rates between two readings of the same counters. Counters are told apart by cgroup id and log
/// directory, never by name: what was made anew in between has no earlier count to be held against.
pub fn snapshot(before: &Reading, now: &Reading) -> Snapshot {
    let nanos = now.at_ns.saturating_sub(before.at_ns);
    let between = Between::new(before, now, nanos);
    let mut rows: Vec<Row> = now.accounts.iter().map(|account| between.row(account)).collect();
    rows.extend(between.others());
    Snapshot {
        at_ns: now.at_ns,
        interval_seconds: nanos as f64 / 1e9,
        source: now.source.clone(),
        node: now.node.clone(),
        probes: now.probes.clone(),
        missing: missing(now),
        rows,
        disks: now.disks.clone(),
        unowned_growth_bytes_per_second: between.unowned_growth(),
        soon: BTreeMap::new(),
    }
}

/// One of the counts of a cgroup.
type Field = fn(Count) -> Option<u64>;

struct Between<'a> {
    before: &'a Reading,
    now: &'a Reading,
    nanos: u64,
    logs: BTreeMap<(u64, u64), LogCount>,
    events: BTreeMap<u64, MemoryEvents>,
}

impl<'a> Between<'a> {
    fn new(before: &'a Reading, now: &'a Reading, nanos: u64) -> Self {
        let same = counted_by(&before.source) == counted_by(&now.source) && nanos > 0;
        let accounts = || before.accounts.iter().filter(|_| same);
        let log = |log: LogCount| ((log.dev, log.inode), log);
        let events = |account: &Account| Some((*account.cgroups.first()?, account.memory_events?));
        Self {
            before,
            now,
            // Counters of other probes begin elsewhere: no time passed between them.
            nanos: if same { nanos } else { 0 },
            logs: accounts().filter_map(|account| account.log.map(log)).collect(),
            events: accounts().filter_map(events).collect(),
        }
    }

    fn row(&self, account: &Account) -> Row {
        let sum = |field: Field| {
            let ids = account.cgroups.iter();
            (!account.cgroups.is_empty())
                .then(|| ids.map(|id| self.since(*id, field)).sum::<Option<u64>>())
                .flatten()
        };
        Row {
            owner: account.owner.clone(),
            write_bytes_per_second: self.per_second(sum(|count| count.written)),
            log_bytes_per_second: self.per_second(account.log.and_then(|log| self.log_since(log))),
            growth_bytes_per_second: self.growth(account),
            tasks: account.tasks,
            processes: account.processes,
            forks_per_second: self.exactly_per_second(sum(|count| count.forks)),
            memory_working_set: account.memory.working_set,
            memory_request: account.memory.request,
            memory_limit: account.memory.limit,
            memory_events: account.memory_events,
            memory_events_new: self.new_events(account),
        }
    }

    /// What cgroups did that are nobody's now; `None` if they did nothing. When one goes its counts go
    /// over to a key for all of these, so that only the sums can be held against one another.
    fn others(&self) -> Option<Row> {
        let owned: BTreeSet<u64> =
            self.now.accounts.iter().flat_map(|account| account.cgroups.iter().copied()).collect();
        let all = |reading: &Reading, field: Field| -> u64 {
            let nobodys = reading.counts.iter().filter(|(id, _)| !owned.contains(id));
            nobodys.filter_map(|(_, count)| field(*count)).sum()
        };
        let sum = |field: Field| all(self.now, field).saturating_sub(all(self.before, field));
        let (written, forks) = (sum(|count| count.written), sum(|count| count.forks));
        (written + forks > 0).then(|| Row {
            owner: Owner::Others,
            write_bytes_per_second: self.per_second(Some(written)),
            log_bytes_per_second: None,
            growth_bytes_per_second: None,
            tasks: None,
            processes: None,
            forks_per_second: self.exactly_per_second(Some(forks)),
            memory_working_set: None,
            memory_request: None,
            memory_limit: None,
            memory_events: None,
            memory_events_new: None,
        })
    }

    /// What a cgroup did in between. `None` if either count is unknown or they ran backwards.
    fn since(&self, id: u64, field: Field) -> Option<u64> {
        difference(field(self.before.count(id))?, field(self.now.count(id))?)
    }

    fn log_since(&self, log: LogCount) -> Option<u64> {
        difference(self.logs.get(&(log.dev, log.inode))?.written?, log.written?)
    }

    /// Space that it took on its own, and that its log took. What it takes on its own is known without
    /// a log, and the other way round.
    fn growth(&self, account: &Account) -> Option<i64> {
        let own = |id: &u64| Some(self.now.count(*id).grown? - self.before.count(*id).grown?);
        let cgroups: Option<i64> = account.cgroups.iter().map(own).sum();
        let log = match account.log {
            None => 0,
            Some(log) => log.grown? - self.logs.get(&(log.dev, log.inode))?.grown?,
        };
        let told = !account.cgroups.is_empty() || account.log.is_some();
        self.signed_per_second(i128::from(cgroups?) + i128::from(log)).filter(|_| told)
    }

    fn unowned_growth(&self) -> Option<i64> {
        let (now, before) = (self.now.unowned_grown?, self.before.unowned_grown?);
        self.signed_per_second(i128::from(now) - i128::from(before))
    }

    fn signed_per_second(&self, amount: i128) -> Option<i64> {
        let rate = (amount * 1_000_000_000).checked_div(i128::from(self.nanos))?;
        i64::try_from(rate).ok()
    }

    fn new_events(&self, account: &Account) -> Option<u64> {
        let (now, before) = (account.memory_events?, self.events.get(account.cgroups.first()?)?);
        let fields = |e: &MemoryEvents| [e.high, e.max, e.oom, e.oom_kill];
        let known = fields(&now).into_iter().zip(fields(before));
        known.filter_map(|(now, before)| Some(now?.checked_sub(before?))).sum::<Option<u64>>()
    }

    fn exactly_per_second(&self, amount: Option<u64>) -> Option<f64> {
        let seconds = self.nanos as f64 / 1e9;
        // To a tenth: more would be noise.
        amount
            .filter(|_| self.nanos > 0)
            .map(|amount| (amount as f64 / seconds * 10.0).round() / 10.0)
    }

    fn per_second(&self, amount: Option<u64>) -> Option<u64> {
        let nanos = u128::from(self.nanos);
        let rate = (u128::from(amount?) * 1_000_000_000 + nanos / 2).checked_div(nanos)?;
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

/// Runs of writes that the kernel was adding up at the last reading may be missing from this one: 256 KiB
/// a CPU. Counters of something else would be further behind.
const MISSED: u64 = 16 << 20;

/// What came on top of `before`; `None` where counters ran backwards.
fn difference(before: u64, now: u64) -> Option<u64> {
    now.checked_sub(before).or_else(|| (before - now <= MISSED).then_some(0))
}

/// Whose counters they are: another process has others.
const fn counted_by(source: &Source) -> Option<u32> {
    match source {
        Source::Agent { pid, .. } => Some(*pid),
        Source::OwnProbes { .. } => None,
    }
}

fn missing(now: &Reading) -> Vec<Missing> {
    let mut missing = Vec::new();
    let columns: [(Family, &[&'static str]); 3] = [
        (Family::Writes, &["write", "log"]),
        (Family::Tasks, &["forks"]),
        (Family::Space, &["growth"]),
    ];
    for (family, columns) in columns {
        let reason = match now.probe(family) {
            None => format!("the {} probe is not loaded", family.name()),
            Some(probe) if probe.rung.is_none() => {
                format!("no {} probe: {}", family.name(), probe.refused.join("; "))
            }
            Some(probe) if probe.lost > 0 => {
                let lost = probe.lost;
                format!("the {} probe lost {lost} counts: who has none is unknown", family.name())
            }
            Some(_) => continue,
        };
        missing.push(Missing { columns: columns.to_vec(), reason });
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        state::ProbeState,
        top::sample::{container, log, reading},
    };

    fn rates(before: &Reading, now: &Reading) -> Vec<(Option<u64>, Option<u64>, Option<f64>)> {
        let rows = snapshot(before, now).rows;
        let figures =
            |r: &Row| (r.write_bytes_per_second, r.log_bytes_per_second, r.forks_per_second);
        rows.iter().map(figures).collect()
    }

    #[test]
    fn rates_belong_to_identities() {
        let app = |cgroups: &[u64], log| vec![container("app", cgroups, log)];
        let both = |id, written, forks| vec![(id, Some(written), Some(forks))];
        // name, before (seconds, counts, accounts), now, rows
        let cases = [
            (
                "both counted, over two seconds",
                reading(1, both(7, 100, 1), app(&[7], log(1, 50))),
                reading(3, both(7, 300, 4), app(&[7], log(1, 90))),
                vec![(Some(100), Some(20), Some(1.5))],
            ),
            (
                "nothing was ever written: zero, not unknown",
                reading(1, vec![], app(&[7], log(1, 0))),
                reading(2, vec![], app(&[7], log(1, 0))),
                vec![(Some(0), Some(0), Some(0.0))],
            ),
            (
                "a container made anew begins at zero, its new log is not held against the old",
                reading(1, both(7, 9_000, 90), app(&[7], log(1, 9_000))),
                reading(2, both(8, 10, 1), app(&[8], log(2, 500))),
                vec![(Some(10), None, Some(1.0))],
            ),
            (
                "counters that ran backwards",
                reading(1, both(7, 1 << 30, 1 << 30), app(&[7], log(1, 1 << 30))),
                reading(2, both(7, 10, 1), app(&[7], log(1, 5))),
                vec![(None, None, None)],
            ),
            (
                "a run of writes that was not added up yet",
                reading(1, both(7, 256 << 10, 1), app(&[7], log(1, 256 << 10))),
                reading(2, both(7, 0, 1), app(&[7], log(1, 0))),
                vec![(Some(0), Some(0), Some(0.0))],
            ),
            (
                "cgroups below are the container's",
                reading(1, both(7, 100, 0), app(&[7, 8], None)),
                reading(2, [both(7, 101, 1), both(8, 5, 2)].concat(), app(&[7, 8], None)),
                vec![(Some(6), None, Some(3.0))],
            ),
            (
                "what is left of a cgroup that is gone does not become somebody's rate",
                reading(1, both(7, 1_000_000, 5), app(&[7], None)),
                reading(2, both(7, 1_000_030, 5), vec![]),
                vec![(Some(30), None, Some(0.0))],
            ),
            (
                "what a cgroup did at the end of its life, its counts gone over to that of all departed",
                reading(1, both(7, 1_000_000, 5), app(&[7], None)),
                reading(2, both(u64::MAX, 1_000_030, 7), vec![]),
                vec![(Some(30), None, Some(2.0))],
            ),
            (
                "gone and quiet: no row",
                reading(1, both(7, 1_000_000, 5), app(&[7], None)),
                reading(2, both(7, 1_000_000, 5), vec![]),
                vec![],
            ),
            (
                "a log alone",
                reading(1, vec![], app(&[], log(1, 5))),
                reading(2, vec![], app(&[], log(1, 8))),
                vec![(None, Some(3), None)],
            ),
            (
                "no time passed",
                reading(1, both(7, 1, 1), app(&[7], log(1, 1))),
                reading(1, both(7, 9, 9), app(&[7], log(1, 9))),
                vec![(None, None, None)],
            ),
        ];
        for (name, before, now, expected) in cases {
            assert_eq!(rates(&before, &now), expected, "{name}");
        }
    }

    #[test]
    fn growth_is_that_of_files_and_log_and_may_be_negative() {
        let with = |second, grown, log_grown: Option<Option<i64>>| {
            let log = log_grown.and_then(|grown| Some(LogCount { grown, ..log(1, 0)? }));
            let mut reading = reading(second, vec![], vec![container("app", &[7], log)]);
            reading.counts.insert(7, Count { grown, ..Count::default() });
            reading
        };
        let cases = [
            ("both", with(1, Some(10), Some(Some(5))), with(2, Some(30), Some(Some(9))), Some(24)),
            ("given back", with(1, Some(90), None), with(2, Some(-10), None), Some(-100)),
            ("from nothing", with(1, None, None), with(3, Some(8), None), Some(4)),
            ("log unknown", with(1, Some(1), Some(None)), with(2, Some(1), Some(Some(1))), None),
        ];
        for (name, before, now, expected) in cases {
            assert_eq!(snapshot(&before, &now).rows[0].growth_bytes_per_second, expected, "{name}");
        }
        let mut before = with(1, None, None);
        before.probes[2].rung = None;
        let now = with(2, None, None);
        assert_eq!(snapshot(&before, &now).rows[0].growth_bytes_per_second, None, "no probe");
    }

    #[test]
    fn without_a_probe_rates_are_unknown_and_the_reason_is_told() {
        let quiet = |second| {
            let mut reading = reading(second, vec![], vec![container("app", &[7], None)]);
            reading.probes[0] = ProbeState::none(Family::Writes, "fexit: no BTF");
            reading.probes[1].lost = 3;
            reading
        };
        assert_eq!(rates(&quiet(1), &quiet(2)), [(None, None, None)]);
        let missing = snapshot(&quiet(1), &quiet(2)).missing;
        let told: Vec<_> = missing.iter().map(|m| (m.columns[0], m.reason.as_str())).collect();
        assert_eq!(told[0], ("write", "no writes probe: fexit: no BTF"));
        assert_eq!(told[1], ("forks", "the tasks probe lost 3 counts: who has none is unknown"));
    }

    #[test]
    fn another_agents_counters_are_not_compared() {
        let before =
            reading(1, vec![(7, Some(5), Some(5))], vec![container("app", &[7], log(1, 5))]);
        let mut now =
            reading(2, vec![(7, Some(9), Some(9))], vec![container("app", &[7], log(1, 9))]);
        now.source = Source::Agent { pid: 2, version: String::new(), mode: String::new() };
        assert_eq!(rates(&before, &now), [(None, None, None)]);
    }

    #[test]
    fn memory_events_are_told_and_how_many_are_new() {
        let with = |second, max, oom_kill| {
            let mut account = container("app", &[7], None);
            account.memory_events = Some(MemoryEvents {
                high: None,
                max: Some(max),
                oom: None,
                oom_kill: Some(oom_kill),
            });
            reading(second, vec![], vec![account])
        };
        for (name, before, now, new) in [
            ("more", with(1, 3, 0), with(2, 5, 1), Some(3)),
            ("same", with(1, 3, 1), with(2, 3, 1), Some(0)),
            ("backwards", with(1, 3, 1), with(2, 0, 1), None),
        ] {
            assert_eq!(snapshot(&before, &now).rows[0].memory_events_new, new, "{name}");
        }
    }
}
