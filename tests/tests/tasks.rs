//! Tasks and processes are what the kernel says they are, whatever went on before, and every fork is counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use evictd_tests::{
    cgroup::Cgroup,
    container::{enter, tool},
    evictd::{self, Evictd, Options},
    inbox::Inbox,
    kernel_maps::KernelMaps,
    node::Node,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: u64 = 40;
const PER_ROUND: u64 = 5;
const THREADS: u64 = 4;
const CHILDREN: u64 = 3;
const WORKLOADS: u64 = 3;
/// What a workload is when it has settled: the one outside of its namespace, the first one inside, and
/// what that holds.
const PROCESSES: u64 = 2 + CHILDREN;
const TASKS: u64 = PROCESSES + THREADS;
/// The process that a workload starts to contain itself, and what it does then.
const FORKS: u64 = 1 + ROUNDS * PER_ROUND + CHILDREN + THREADS;

fn start(cgroup: &Cgroup) -> Child {
    let mut command = Command::new(tool("evictd-workload").unwrap());
    command.arg("task-churn");
    for (name, value) in [("rounds", ROUNDS), ("threads", THREADS), ("children", CHILDREN)] {
        command.arg(format!("--{name}")).arg(value.to_string());
    }
    command.args(["--lifetime", "300"]).stdin(Stdio::null()).stdout(Stdio::piped());
    enter(&mut command, cgroup).unwrap();
    command.spawn().unwrap()
}

/// Moves every process that is in `from` now; those that end meanwhile are left out.
fn migrate(from: &Cgroup, to: &Cgroup) {
    for pid in from.processes() {
        for dir in to.dirs() {
            let _ = fs::write(dir.join("cgroup.procs"), pid.as_raw_pid().to_string());
        }
    }
}

/// Tasks and processes of a cgroup: as the kernel says, and as evictd does.
fn figures(cgroup: &Cgroup, node: &Node) -> [(u64, u64); 2] {
    let (current, _) = cgroup.file("pids", "pids.current", "pids.current");
    let tasks = fs::read_to_string(&current).unwrap().trim().parse().unwrap();
    let listed = fs::read_to_string(current.with_file_name("cgroup.procs")).unwrap();
    let mut top = Command::new(common::evictd_binary());
    top.args(["top", "--once", "--json", "--interval", "100ms", "--socket"]);
    let output = top.arg(evictd::socket(node)).output().unwrap();
    let snapshot: Value = serde_json::from_slice(&output.stdout).unwrap();
    let path = format!("/{}", cgroup.relative().display());
    let row = snapshot["rows"].as_array().unwrap().iter().find(|row| row["path"] == *path);
    let told = |figure: &str| row.map_or(0, |row| row[figure].as_u64().unwrap());
    [(tasks, listed.lines().count() as u64), (told("tasks"), told("processes"))]
}

#[test]
fn figures_are_the_kernels_after_any_churn_and_migration() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let mut inbox = Inbox::default();
    let own = node.system().child("evictd").unwrap();
    let options = Options::new(&common::evictd_binary(), "observe");
    let evictd = Evictd::start(&node, &own, &mut inbox, &options).unwrap();
    let maps = KernelMaps::of_process(evictd.pid()).unwrap();
    let [a, b] = ["a", "b"].map(|name| node.system().child(name).unwrap());

    let mut workloads: Vec<Child> = (0..WORKLOADS).map(|_| start(&a)).collect();
    let outputs: Vec<_> =
        workloads.iter_mut().map(|w| BufReader::new(w.stdout.take().unwrap())).collect();
    for _ in 0..20 {
        migrate(&a, &b);
        migrate(&b, &a);
    }
    for output in outputs {
        assert_eq!(output.lines().next().unwrap().unwrap(), "ready");
    }
    let counted = |cgroup: &Cgroup| maps.forks(cgroup.inode().unwrap()).unwrap_or(0);
    assert_eq!(counted(&a) + counted(&b), WORKLOADS * FORKS, "forks, wherever they happened");

    for (name, step) in [
        ("where they ended up", None),
        ("all in one", Some((&a, &b))),
        ("all in the other", Some((&b, &a))),
    ] {
        if let Some((from, to)) = step {
            migrate(from, to);
        }
        let figures = [&a, &b].map(|cgroup| figures(cgroup, &node));
        for [kernel, told] in figures {
            assert_eq!(told, kernel, "{name}: {figures:?}");
        }
        let sum = figures.iter().fold((0, 0), |sum, [_, told]| (sum.0 + told.0, sum.1 + told.1));
        assert_eq!(sum, (WORKLOADS * TASKS, WORKLOADS * PROCESSES), "{name}: {figures:?}");
    }

    for cgroup in [&a, &b] {
        cgroup.kill_all().unwrap();
    }
    for workload in &mut workloads {
        workload.wait().unwrap();
    }
    // The dead are counted until they are reaped, which nobody tells of.
    let deadline = Instant::now() + PATIENCE;
    for cgroup in [&a, &b] {
        loop {
            let [kernel, told] = figures(cgroup, &node);
            if (kernel, told) == ((0, 0), (0, 0)) {
                break;
            }
            assert!(Instant::now() < deadline, "nobody is left: kernel {kernel:?}, told {told:?}");
        }
    }
    assert!(evictd.stop(&mut inbox).unwrap().status.success());
}
