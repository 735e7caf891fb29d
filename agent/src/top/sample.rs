//! Readings and snapshots to test with.

use crate::{
    probe::Family,
    state::{
        Account, Count, LogCount, Memory, NodeState, Owner, ProbeState, Reading, Role, SignalState,
        Source, ThresholdKind, ThresholdState, Unit,
    },
};

use super::snapshot::Snapshot;

/// A container `shop/cart/NAME` that requests 64 MiB and uses 48.
pub fn container(name: &str, cgroups: &[u64], log: Option<LogCount>) -> Account {
    Account {
        owner: Owner::Container {
            namespace: "shop".to_owned(),
            pod: "cart".to_owned(),
            container: name.to_owned(),
            uid: "u".to_owned(),
            qos: "Burstable".to_owned(),
            priority: 1000,
        },
        cgroups: cgroups.to_vec(),
        log,
        tasks: Some(3),
        processes: Some(2),
        memory: Memory {
            working_set: Some(48 << 20),
            request: Some(64 << 20),
            limit: Some(128 << 20),
        },
        memory_events: None,
    }
}

/// A cgroup of no pod.
pub fn cgroup(path: &str, id: u64) -> Account {
    let owner = Owner::Cgroup { path: path.to_owned(), role: Role::of(path.as_ref()) };
    let memory = Memory { working_set: Some(1 << 20), request: None, limit: None };
    Account { owner, memory, ..container("", &[id], None) }
}

/// A log directory by inode.
pub fn log(inode: u64, written: u64) -> Option<LogCount> {
    Some(LogCount { dev: 1, inode, written: Some(written), grown: Some(0) })
}

/// A reading at that second, with both families of probes.
pub fn reading(
    second: u64,
    counts: Vec<(u64, Option<u64>, Option<u64>)>,
    accounts: Vec<Account>,
) -> Reading {
    let probe = |family: Family| ProbeState {
        family: family.name().to_owned(),
        rung: Some("btf-tracepoint".to_owned()),
        refused: Vec::new(),
        lost: 0,
    };
    Reading {
        at_ns: second * 1_000_000_000,
        source: Source::Agent { pid: 1, version: "0.1.0".to_owned(), mode: "observe".to_owned() },
        node: node(),
        probes: [Family::Writes, Family::Tasks, Family::Space].map(probe).into(),
        counts: counts
            .into_iter()
            .map(|(id, written, forks)| (id, Count { written, forks, grown: None }))
            .collect(),
        accounts,
        disks: Vec::new(),
        unowned_grown: Some(0),
    }
}

/// A node whose disk fills up and whose tasks are unknown.
pub fn node() -> NodeState {
    let threshold = |kind, quantity, grace_seconds, met| ThresholdState {
        kind,
        quantity: Some(quantity),
        grace_seconds,
        met: Some(met),
    };
    let nodefs = SignalState {
        signal: "nodefs.available".to_owned(),
        unit: Unit::Bytes,
        available: Some(200 << 20),
        capacity: Some(512 << 20),
        sampled_ns: None,
        used_per_second: 12 << 20,
        seconds_to_threshold: Some(6.0),
        thresholds: vec![
            threshold(ThresholdKind::Hard, 128 << 20, 0.0, false),
            threshold(ThresholdKind::Soft, 256 << 20, 90.0, true),
        ],
    };
    let pids = SignalState {
        signal: "pid.available".to_owned(),
        unit: Unit::Tasks,
        available: None,
        capacity: None,
        sampled_ns: None,
        used_per_second: 0,
        seconds_to_threshold: None,
        thresholds: vec![ThresholdState {
            kind: ThresholdKind::Hard,
            quantity: None,
            grace_seconds: 0.0,
            met: None,
        }],
    };
    NodeState { signals: vec![nodefs, pids], conditions: Some(vec!["DiskPressure".to_owned()]) }
}

/// A log writer, a fork bomb, the runtime.
pub fn snapshot() -> Snapshot {
    let accounts = |written| {
        vec![
            container("app", &[7], log(1, written)),
            container("worker\u{1b}[31m", &[8], None),
            cgroup("/system.slice/containerd.service", 9),
        ]
    };
    let before = reading(1, vec![], accounts(0));
    let counts = vec![(8, None, Some(250)), (9, Some(12 << 20), None)];
    let mut snapshot = super::rates::snapshot(&before, &reading(2, counts, accounts(12 << 20)));
    snapshot.soon.insert("nodefs.available".to_owned(), 6.0);
    snapshot
}
