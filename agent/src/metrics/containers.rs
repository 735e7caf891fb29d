//! What each container writes, and what it holds.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Labels;
use crate::state::{Account, Count, Owner, Reading};

/// The label of those who share a series.
const OVERFLOW: &str = "(others)";

#[derive(Default)]
struct Series {
    written: Family<Labels, Counter>,
    logged: Family<Labels, Counter>,
    forks: Family<Labels, Counter>,
    tasks: Family<Labels, Gauge>,
    memory: Family<Labels, Gauge>,
}

/// Registers the containers of pods, the largest writers first, `most` of them on their own and the rest
/// as one. What is no pod's is left to `evictd top`.
pub(super) fn register(registry: &mut Registry, reading: &Reading, most: usize) {
    let mut found: Vec<(Labels, &Account, Count)> = reading
        .accounts
        .iter()
        .filter_map(|account| Some((labels(&account.owner)?, account, done(reading, account))))
        .collect();
    let logged = |account: &Account| account.log.and_then(|log| log.written);
    found.sort_by_key(|(_, account, done)| {
        std::cmp::Reverse(done.written.unwrap_or(0).saturating_add(logged(account).unwrap_or(0)))
    });
    let shared: Labels =
        ["namespace", "pod", "container"].map(|name| (name, OVERFLOW.to_owned())).to_vec();
    let series = Series::default();
    let overflow = found.len().saturating_sub(most);
    for (number, (own, account, done)) in found.into_iter().enumerate() {
        series.add(if number < most { &own } else { &shared }, account, done, logged(account));
    }
    series.register(registry);
    let text = "Containers that share the series named (others)";
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(overflow).unwrap_or(i64::MAX));
    registry.register("containers_without_series", text, gauge);
}

impl Series {
    fn add(&self, labels: &Labels, account: &Account, done: Count, logged: Option<u64>) {
        let count = |family: &Family<Labels, Counter>, value: Option<u64>| {
            if let Some(value) = value {
                family.get_or_create(labels).inc_by(value);
            }
        };
        let hold = |family: &Family<Labels, Gauge>, value: Option<u64>| {
            if let Some(value) = value {
                family.get_or_create(labels).inc_by(i64::try_from(value).unwrap_or(i64::MAX));
            }
        };
        count(&self.written, done.written);
        count(&self.logged, logged);
        count(&self.forks, done.forks);
        hold(&self.tasks, account.tasks);
        hold(&self.memory, account.memory.working_set);
    }

    fn register(self, registry: &mut Registry) {
        let text = "Bytes written to files, since the probes were loaded";
        registry.register("container_written_bytes", text, self.written);
        let text = "Bytes of stdout and stderr that the runtime wrote into the container's log";
        registry.register("container_log_written_bytes", text, self.logged);
        registry.register("container_forks", "Tasks created", self.forks);
        registry.register("container_tasks", "Processes and threads", self.tasks);
        let text = "Memory in use and not easily given back (working set)";
        registry.register("container_memory_working_set_bytes", text, self.memory);
    }
}

fn labels(owner: &Owner) -> Option<Labels> {
    let (namespace, pod, container) = match owner {
        Owner::Container { namespace, pod, container, .. } => (namespace, pod, container.as_str()),
        Owner::Pod { namespace, pod, .. } => (namespace, pod, ""),
        Owner::Cgroup { .. } | Owner::Others => return None,
    };
    let values =
        [("namespace", namespace.as_str()), ("pod", pod.as_str()), ("container", container)];
    Some(values.map(|(name, value)| (name, value.to_owned())).to_vec())
}

/// What all its cgroups have done; `None` where one of them is unknown.
fn done(reading: &Reading, account: &Account) -> Count {
    let counts = || account.cgroups.iter().map(|id| reading.count(*id));
    let sum = |of: fn(Count) -> Option<u64>| {
        (!account.cgroups.is_empty()).then(|| counts().map(of).sum::<Option<u64>>()).flatten()
    };
    Count { written: sum(|count| count.written), forks: sum(|count| count.forks), grown: None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus_client::encoding::text;

    use super::*;
    use crate::state::{Memory, NodeState, Source};

    fn account(pod: &str, id: u64) -> Account {
        let owner = Owner::Container {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            container: "app".to_owned(),
            uid: pod.to_owned(),
            qos: "Burstable".to_owned(),
            priority: 0,
        };
        Account {
            owner,
            cgroups: vec![id],
            log: None,
            tasks: Some(2),
            processes: Some(1),
            memory: Memory::default(),
            memory_events: None,
        }
    }

    #[test]
    fn the_largest_writers_have_series_of_their_own_and_the_rest_share_one() {
        let count = |written| Count { written: Some(written), forks: None, grown: None };
        let counts = BTreeMap::from([(1, count(10)), (2, count(500)), (3, count(7))]);
        let reading = Reading {
            at_ns: 0,
            source: Source::OwnProbes { configuration: String::new() },
            node: NodeState::default(),
            probes: Vec::new(),
            counts,
            accounts: vec![account("a", 1), account("b", 2), account("c\n\"", 3)],
            disks: Vec::new(),
            unowned_grown: None,
        };
        for (most, alone, without) in [(3, 3, 0), (1, 1, 2), (0, 0, 3)] {
            let mut registry = Registry::default();
            register(&mut registry, &reading, most);
            let mut out = String::new();
            text::encode(&mut out, &registry).unwrap();
            let written = |line: &&str| line.starts_with("container_written_bytes_total{");
            let sum: u64 = out
                .lines()
                .filter(written)
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum();
            assert_eq!(sum, 517, "nothing is lost\n{out}");
            let own = out.lines().filter(written).filter(|line| !line.contains(OVERFLOW)).count();
            assert_eq!(own, alone, "{out}");
            assert!(out.contains(&format!("containers_without_series {without}\n")), "{out}");
            assert!(out.contains("pod=\"b\"") == (most > 0), "the largest first\n{out}");
        }
    }
}
