//! Samplers.

use std::{fs, path::Path};

use evictd::{
    clock::now,
    config::MemorySource,
    sample::{ContainersMemory, DiskWalk, NodeSampler, NodeSources, PodFigures, observe_pods},
};
use evictd_core::{NodeSignals, PodUsage, Semantics, Signal};

use crate::{
    cgroups::{Sandbox, Use},
    processes::{Process, Role},
};

const MI: u64 = 1 << 20;

fn sources(nodefs: &Path, pods_pids_limit: bool) -> NodeSources<'_> {
    NodeSources {
        proc: Path::new("/proc"),
        nodefs,
        imagefs: None,
        containerfs: None,
        logs: None,
        memory: MemorySource::Available,
        pods_pids_limit,
    }
}

fn available(signals: &NodeSignals, signal: Signal) -> i64 {
    signals.get(signal).expect("known").available
}

#[test]
fn kernel_memory_of_a_pod_and_of_the_pods_cgroup() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    let limit = (256 * MI).to_string();
    sandbox.set("memory", "kubepods", "memory.max", "memory.limit_in_bytes", &limit);
    let container = sandbox.entrances(&format!("{cgroup}/c"));
    let _process = Process::start(&container, Role::Hog(32 * MI as usize));
    let index = sandbox.index();

    let mut pods = Vec::new();
    let memory = PodFigures::For(Signal::MemoryAvailable);
    observe_pods(&index, memory, Semantics::Strict, &mut pods);
    let working_set = pods[0].usage.memory_working_set.expect("known");
    assert!((32 * MI..40 * MI).contains(&working_set), "{working_set}");
    let memory_working_set = Some(working_set);
    let known = PodUsage { memory_working_set, tasks: Some(1), ..PodUsage::default() };
    assert_eq!(pods[0].usage, known, "only what was wanted");

    let pod = index.get(0).expect("a pod");
    let before = crate::allocation::count();
    let memory = ContainersMemory::take(pod);
    assert_eq!(crate::allocation::count(), before, "on the way to a kill");
    let [container] = &memory.stats(pod)[..] else { panic!("{memory:?}") };
    let of_container = container.memory_working_set.expect("known");
    assert!((32 * MI..=working_set + MI).contains(&of_container), "{of_container}");

    let sampler = NodeSampler::open(sources(sandbox.files.path(), true), &sandbox.tree());
    let signals = sampler.expect("sampler").signals(now());
    let left = u64::try_from(available(&signals, Signal::AllocatableMemoryAvailable)).expect("> 0");
    assert!((256 * MI - 48 * MI..=256 * MI - 32 * MI).contains(&left), "{left}");
    let capacity = signals.get(Signal::AllocatableMemoryAvailable).map(|o| o.capacity);
    assert_eq!(capacity, i64::try_from(256 * MI).ok());
    for signal in [Signal::MemoryAvailable, Signal::NodefsAvailable, Signal::NodefsInodesFree] {
        let seen = signals.get(signal).expect("known");
        assert!(0 < seen.available && seen.available < seen.capacity, "{signal}: {seen:?}");
    }
    assert_eq!(signals.get(Signal::ImagefsAvailable), None, "not watched");
}

#[test]
fn kernel_tasks_and_the_tighter_pids_limit() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    sandbox.set("pids", "kubepods", "pids.max", "pids.max", "100");
    let container = sandbox.entrances(&format!("{cgroup}/c"));
    let _process = Process::start(&container, Role::Tree(6));
    let index = sandbox.index();
    let mut pods = Vec::new();
    for semantics in [Semantics::Strict, Semantics::Kubelet] {
        observe_pods(&index, PodFigures::For(Signal::PidAvailable), semantics, &mut pods);
        assert_eq!(pods[0].usage, PodUsage { tasks: Some(7), ..PodUsage::default() });
    }

    for (pods_limit, expected) in [(true, Some(93)), (false, None)] {
        let sampler = NodeSampler::open(sources(sandbox.files.path(), pods_limit), &sandbox.tree());
        let signals = sampler.expect("sampler").signals(now());
        let seen = available(&signals, Signal::PidAvailable);
        match expected {
            Some(left) => assert_eq!(seen, left),
            None => assert!(seen > 100, "the node's own limit: {seen}"),
        }
    }
}

#[test]
fn kernel_the_pods_cgroup_is_found_when_it_is_made_later() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    sandbox.remove("kubepods/besteffort");
    sandbox.remove("kubepods");
    let tree = sandbox.tree();
    let mut sampler =
        NodeSampler::open(sources(sandbox.files.path(), true), &tree).expect("sampler");
    let allocatable = |s: &NodeSampler| {
        s.signals(now()).get(Signal::AllocatableMemoryAvailable).map(|o| o.capacity)
    };
    assert_eq!(allocatable(&sampler), None);
    for limit in [64 * MI, 128 * MI] {
        sandbox.make("kubepods");
        let text = limit.to_string();
        sandbox.set("memory", "kubepods", "memory.max", "memory.limit_in_bytes", &text);
        sampler.refresh(&tree);
        assert_eq!(allocatable(&sampler), i64::try_from(limit).ok());
        sandbox.remove("kubepods");
        assert_eq!(allocatable(&sampler), None, "removed");
    }
}

#[test]
fn kernel_disk_usage_of_logs_and_volumes() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    sandbox.add_pod("a", "{}");
    let mut index = sandbox.index();
    let logs = sandbox.layout().pod_logs("test", "a", "a").join("c");
    let volume = sandbox.layout().empty_dir("a", "data");
    for dir in [&logs, &volume] {
        fs::create_dir_all(dir).expect("mkdir");
    }
    fs::write(logs.join("0.log"), vec![b'x'; 100_000]).expect("write");
    fs::write(volume.join("data"), vec![b'x'; 300_000]).expect("write");
    assert!(index.refresh(), "a log directory");
    let pod = index.by_uid("a").expect("in the index");
    let mut walk = DiskWalk::default();
    let mut walk = walk.begin();
    let logs = walk.contents(pod.logs_root(), |_, _| (), |_| ()).expect("known");
    let [volume] = pod.empty_dirs() else { panic!("{pod:?}") };
    let volumes = walk.tree(&volume.path).expect("known");
    assert_eq!((logs.inodes, volumes.inodes), (2, 2));
    assert!((100_000..130_000).contains(&logs.bytes), "{logs:?}");
    assert!((300_000..330_000).contains(&volumes.bytes), "{volumes:?}");
}
