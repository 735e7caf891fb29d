//! A processor that is taken away while the kernel counts on it.

use std::{fs, path::Path, process::Command, thread};

use aya::Ebpf;
use evictd::probe::{Counters, Family, LADDER, LoadOptions, load};
use evictd_common::Tasks;
use evictd_tests::{
    cgroup::Cgroup,
    container::{enter, tool},
    node::Node,
};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::common;

const SWITCH: &str = "/sys/devices/system/cpu/cpu1/online";
/// Only the test VM has it: elsewhere others use the processor too.
const OURS: &str = "/etc/evictd-vm.plan";

/// Switched on again on drop.
struct Offline;

impl Offline {
    fn take() -> Self {
        fs::write(SWITCH, "0").unwrap();
        Self
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        fs::write(SWITCH, "1").unwrap();
    }
}

/// Forks on one processor.
fn fork_on(cpu: usize, cgroup: &Cgroup, count: u32) {
    let mut command = Command::new(tool("evictd-workload").unwrap());
    command.args(["fork-exactly", "--count", &count.to_string()]);
    enter(&mut command, cgroup).unwrap();
    // Children stay where their parent may run.
    let status = thread::spawn(move || {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).unwrap();
        command.status().unwrap()
    });
    assert!(status.join().unwrap().success());
}

#[test]
fn what_a_processor_counted_before_it_went_offline_is_not_lost() {
    let _alone = common::alone();
    if !Path::new(SWITCH).exists() {
        println!("cannot run here: there is no {SWITCH}");
        return;
    }
    if !Path::new(OURS).exists() {
        println!("cannot run here: a processor is taken offline in the test VM only");
        return;
    }
    let node = Node::create().unwrap();
    let cgroup = node.system().child("hotplug").unwrap();
    let id = cgroup.inode().unwrap();
    let ladder: Vec<_> =
        LADDER.iter().filter(|(family, _)| *family == Family::Tasks).copied().collect();
    let options = LoadOptions { ladder: &ladder, ..LoadOptions::default() };
    let (mut ebpf, _): (Ebpf, _) = load(options).unwrap();
    let counters = Counters::take(&mut ebpf).unwrap();
    let counted = || counters.tasks(id).unwrap_or_default();

    fork_on(1, &cgroup, 50);
    let before: Tasks = counted();
    assert!(before.forks >= 50, "{before:?}");
    let offline = Offline::take();
    assert_eq!(counted(), before, "its counts stay");
    fork_on(0, &cgroup, 50);
    let meanwhile = counted();
    assert_eq!(meanwhile.forks - before.forks, before.forks, "the others go on counting");
    drop(offline);
    fork_on(1, &cgroup, 50);
    assert_eq!(counted().forks - meanwhile.forks, before.forks, "it counts again");

    // Probes that are loaded while it is away count on it when it is back.
    drop((counters, ebpf));
    let offline = Offline::take();
    let (mut ebpf, _) = load(options).unwrap();
    let counters = Counters::take(&mut ebpf).unwrap();
    drop(offline);
    fork_on(1, &cgroup, 50);
    assert_eq!(counters.tasks(id).unwrap_or_default().forks, before.forks);
}
