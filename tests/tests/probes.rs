//! Every probe family against known amounts of work, on every rung that this kernel has.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aya::Ebpf;
use common::rungs::{
    assert_counted, kernel_dev_of, on_each_filesystem, on_each_rung, on_rungs_there_are,
    stat_dev_of, work,
};
use evictd::probe::{
    Attachment, Counters, Family, FsKind, Hook, LoadOptions, Ring, Rung, Standing, Tripwires,
    counts_logs, load, source,
};
use evictd_common::{
    Kind, LOGS_TRIPWIRE, LogDirectory, OTHER_CGROUP, ReclaimSource, Record, Space, TASKS_TRIPWIRE,
    Writes,
};
use evictd_tests::{
    container::{enter, tool},
    node::Node,
};

/// Records arrive within microseconds; this is for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ring's records; those that nobody has asked for yet are kept.
struct Records {
    ring: Ring,
    kept: Vec<Record>,
}

impl Records {
    fn take(ebpf: &mut Ebpf) -> Self {
        Self { ring: Ring::take(ebpf).unwrap(), kept: Vec::new() }
    }

    /// Waits for the first record of that kind that `wanted` accepts. Records before it are passed
    /// over for good, later ones are kept.
    async fn expect(&mut self, kind: Kind, wanted: impl Fn(&Record) -> bool) -> Record {
        let is_wanted = |record: &Record| record.kind() == Some(kind) && wanted(record);
        let arrival = async {
            loop {
                if let Some(at) = self.kept.iter().position(is_wanted) {
                    let found = self.kept[at];
                    self.kept.drain(..=at);
                    return found;
                }
                let kept = &mut self.kept;
                self.ring.drain(|record| kept.push(record)).await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, arrival).await {
            Ok(record) => record,
            Err(_) => panic!("no {kind:?} record within {PATIENCE:?}"),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn writes_are_exact_per_cgroup_and_filesystem() {
    let _alone = common::alone_with_tracefs();
    let node = Node::create().unwrap();
    on_each_filesystem(&node, Family::Writes, |rung, root, ebpf| {
        let dev = kernel_dev_of(root);
        let mut counters = Counters::take(ebpf).unwrap();
        counters.watch(dev, 1).unwrap();
        for (name, bytes, count) in
            [("tiny", 100, 3000), ("page", 4096, 500), ("large", 1 << 20, 5)]
        {
            let cgroup = node.system().child(&format!("{name}-{rung}-{dev}")).unwrap();
            let file = root.join(name);
            let (b, c) = (bytes.to_string(), count.to_string());
            let file = file.to_str().unwrap();
            work(&cgroup, &["write-exactly", "--file", file, "--bytes", &b, "--count", &c]);
            let written = counters.writes(cgroup.inode().unwrap(), dev);
            assert_counted(rung, written.map_or(0, |w| w.bytes), bytes * count, name);
        }
    });
}

#[test]
fn log_writes_follow_the_directory_across_rotation() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    on_each_filesystem(&node, Family::Writes, |rung, root, ebpf| {
        if !counts_logs(rung) {
            println!("{rung} does not tell the directory, and says so");
            return;
        }
        let dev = kernel_dev_of(root);
        let mut counters = Counters::take(ebpf).unwrap();
        let tripwires = Tripwires::take(ebpf).unwrap();
        counters.watch(dev, 1).unwrap();
        let runtime = node.system().child(&format!("runtime-{rung}-{dev}")).unwrap();
        let [mine, other] = ["mine", "other"].map(|name| {
            let dir = root.join(format!("{name}-{rung}"));
            std::fs::create_dir(&dir).unwrap();
            dir
        });
        let inode = mine.metadata().unwrap().ino();
        let key = LogDirectory { inode, dev: stat_dev_of(&mine), reserved: 0 };
        counters.watch_log_directory(key).unwrap();
        let write = |dir: &Path, count| {
            let file = dir.join("0.log");
            let file = file.to_str().unwrap();
            work(&runtime, &["write-exactly", "--file", file, "--bytes", "1000", "--count", count]);
        };
        write(&mine, "700");
        write(&other, "900");
        std::fs::rename(mine.join("0.log"), mine.join("0.log.1")).unwrap();
        write(&mine, "800");
        assert_counted(rung, counters.log_writes(&key).unwrap().bytes, 1_500_000, "logs");
        let spent = tripwires.spent(LOGS_TRIPWIRE).unwrap().unsigned_abs();
        assert_counted(rung, spent, 1_500_000, "only watched logs");

        counters.forget_log_directory(&key);
        write(&mine, "1");
        assert_eq!(counters.log_writes(&key), None::<Writes>, "{rung}");
    });
}

#[test]
fn forks_and_exits_are_exact() {
    let _alone = common::alone_with_tracefs();
    let node = Node::create().unwrap();
    on_each_rung(Family::Tasks, |rung, ebpf| {
        let counters = Counters::take(ebpf).unwrap();
        // The workload itself adds the same few tasks each time, so the difference is exact.
        let [few, many] = [10, 260].map(|count: u64| {
            let cgroup = node.system().child(&format!("forks-{count}-{rung}")).unwrap();
            work(&cgroup, &["fork-exactly", "--count", &count.to_string()]);
            counters.tasks(cgroup.inode().unwrap()).unwrap()
        });
        assert_eq!((many.forks - few.forks, many.exits - few.exits), (250, 250), "{rung}");
    });
}

#[test]
fn what_a_full_map_has_no_place_for_is_counted_under_the_other_cgroup() {
    const CGROUPS: u64 = 26;
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let dev = kernel_dev_of(node.nodefs_root());
    // Room for the other cgroup, for what else runs on this machine, and for a few more.
    let map_sizes = &[("WRITES", 24), ("TASKS", 24)];
    let (mut ebpf, _) = load(LoadOptions { map_sizes, ..LoadOptions::default() }).unwrap();
    let mut counters = Counters::take(&mut ebpf).unwrap();
    counters.watch(dev, 1).unwrap();
    let mut ids = Vec::new();
    for number in 0..CGROUPS {
        let cgroup = node.system().child(&format!("full-{number}")).unwrap();
        let file = node.nodefs_root().join(number.to_string());
        let file = file.to_str().unwrap();
        work(&cgroup, &["write-exactly", "--file", file, "--bytes", "4096", "--count", "100"]);
        work(&cgroup, &["fork-exactly", "--count", "10"]);
        ids.push(cgroup.inode().unwrap());
    }
    ids.push(OTHER_CGROUP);
    let bytes = |id: &u64| counters.writes(*id, dev).map_or(0, |writes| writes.bytes);
    let forks = |id: &u64| counters.tasks(*id).map_or(0, |tasks| tasks.forks);
    assert_eq!(ids.iter().map(bytes).sum::<u64>(), CGROUPS * 100 * 4096, "none is missing");
    assert!(bytes(&OTHER_CGROUP) > 0 && counters.drops(Family::Writes) > 0, "it is seen");
    let forks: u64 = ids.iter().map(forks).sum();
    assert!(forks >= CGROUPS * 10 && counters.drops(Family::Tasks) > 0, "{forks} forks");
    assert!(evictd::probe::map_bytes().unwrap() > 256 << 10, "the ring alone has as much");
}

#[test]
fn space_that_a_full_map_has_no_place_for_is_nobody_s() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let dev = kernel_dev_of(node.nodefs_root());
    let map_sizes = &[("SPACE", 8)];
    let (mut ebpf, _) = load(LoadOptions { map_sizes, ..LoadOptions::default() }).unwrap();
    let mut counters = Counters::take(&mut ebpf).unwrap();
    counters.watch(dev, 1).unwrap();
    let mut ids = Vec::new();
    for number in 0..14 {
        let cgroup = node.system().child(&format!("full-space-{number}")).unwrap();
        let file = node.nodefs_root().join(number.to_string());
        let file = file.to_str().unwrap();
        work(&cgroup, &["write-exactly", "--file", file, "--bytes", "4096", "--count", "100"]);
        ids.push(cgroup.inode().unwrap());
    }
    let grown = |space: Option<Space>| space.map_or(0, |space| space.grown);
    let others = grown(counters.unowned_space(dev));
    let known: u64 = ids.iter().map(|id| grown(counters.space(*id, dev))).sum();
    // The directory that the files are in may take a block more.
    assert!(
        (14 * 100 * 4096..=14 * 100 * 4096 + 8192).contains(&(known + others)),
        "{known} {others}"
    );
    assert!(others > 0 && counters.drops(Family::Space) > 0, "it is seen: {others}");
}

#[test]
fn what_files_give_back_that_fell_out_of_a_full_map_is_nobody_s() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let dev = kernel_dev_of(node.nodefs_root());
    let map_sizes = &[("INODES", 64)];
    let (mut ebpf, _) = load(LoadOptions { map_sizes, ..LoadOptions::default() }).unwrap();
    let mut counters = Counters::take(&mut ebpf).unwrap();
    counters.watch(dev, 1).unwrap();
    let cgroup = node.system().child("many-files").unwrap();
    let dir = node.nodefs_root().join("many-files");
    std::fs::create_dir(&dir).unwrap();
    let prefix = dir.join("file-");
    let prefix = prefix.to_str().unwrap();
    let files = ["--file", prefix, "--files", "200"];
    work(&cgroup, &[&["write-exactly", "--bytes", "4096", "--count", "3"][..], &files].concat());
    let id = cgroup.inode().unwrap();
    let taken = counters.space(id, dev).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let after = counters.space(id, dev).unwrap();
    let nobody = counters.unowned_space(dev).unwrap();
    assert!(
        nobody.released > 0,
        "files fell out, and that is seen: {taken:?} {after:?} {nobody:?}"
    );
    let all = after.released + nobody.released;
    assert!(all >= 200 * 3 * 4096, "none is missing: {after:?} {nobody:?}");
}

#[test]
fn a_tripwire_fires_once_when_its_budget_is_used_up() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let dev = kernel_dev_of(node.nodefs_root());
    runtime().block_on(async {
        let (mut ebpf, _) = load(LoadOptions::default()).unwrap();
        let mut counters = Counters::take(&mut ebpf).unwrap();
        let mut tripwires = Tripwires::take(&mut ebpf).unwrap();
        let mut records = Records::take(&mut ebpf);
        counters.watch(dev, 3).unwrap();
        let cgroup = node.system().child("tripwire").unwrap();
        let file = node.nodefs_root().join("tripwire");
        let file = file.to_str().unwrap();
        let write = |count| {
            work(&cgroup, &["write-exactly", "--file", file, "--bytes", "4096", "--count", count]);
        };

        let since = tripwires.spent(3).unwrap();
        assert!(!tripwires.arm(3, since, 300 * 4096).unwrap());
        write("200");
        assert_eq!(tripwires.spent(3).unwrap() - since, 200 * 4096, "counted, not fired");
        write("200");
        let id = cgroup.inode().unwrap();
        let fired = records.expect(Kind::Tripwire, |record| record.detail == 3).await;
        assert_eq!(fired.cgroup_id, id, "the record names who used it up");

        // Used up between sample and arming: no record will come, and `arm` says so.
        assert!(tripwires.arm(3, since, 300 * 4096).unwrap());

        let since = tripwires.spent(TASKS_TRIPWIRE).unwrap();
        tripwires.arm(TASKS_TRIPWIRE, since, 5).unwrap();
        work(&cgroup, &["fork-exactly", "--count", "10"]);
        records.expect(Kind::Tripwire, |record| record.detail == TASKS_TRIPWIRE).await;
    });
}

/// A process that wants four times the memory its cgroup may have.
fn hog_at_its_limit(node: &Node, name: &str) -> (u64, Child) {
    let cgroup = node.system().child(name).unwrap();
    cgroup.limit_memory(32 << 20).unwrap();
    let mut command = Command::new(tool("evictd-workload").unwrap());
    command.args(["memory-hog", "--max-mib", "128"]).stdout(Stdio::null());
    enter(&mut command, &cgroup).unwrap();
    (cgroup.inode().unwrap(), command.spawn().unwrap())
}

#[test]
fn an_oom_kill_is_reported_after_reclaim_began() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    runtime().block_on(async {
        let (mut ebpf, _) = load(LoadOptions::default()).unwrap();
        let mut records = Records::take(&mut ebpf);
        let (id, mut hog) = hog_at_its_limit(&node, "oom");
        // One record in 2 ms stands for all cgroups that reclaim then.
        let memcg = ReclaimSource::Memcg as u32;
        records.expect(Kind::Reclaim, |record| record.detail == memcg).await;
        let victim = records.expect(Kind::OomVictim, |_| true).await;
        assert!(!hog.wait().unwrap().success());
        assert!(victim.pid > 1, "{victim:?}");
        // Kernels that tell only the pid leave the rest open.
        if victim.cgroup_id != 0 {
            assert_eq!(victim.cgroup_id, id);
            assert!(victim.comm.starts_with(b"evictd-workload"), "{victim:?}");
        }
    });
}

#[test]
fn memory_events_are_reported() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let runtime = runtime();
    // Kernels that take neither fentry nor kprobes have no rung, and each says so.
    on_rungs_there_are(FsKind::Ext4, Family::MemoryEvents, |rung, ebpf| {
        let _inside = runtime.enter();
        let mut records = Records::take(ebpf);
        let (id, mut hog) = hog_at_its_limit(&node, &format!("events-{rung}"));
        runtime.block_on(records.expect(Kind::MemoryEvent, |record| record.cgroup_id == id));
        assert!(!hog.wait().unwrap().success());
    });
}

#[test]
fn cgroups_are_reported_when_they_come_and_go() {
    let _alone = common::alone_with_tracefs();
    let node = Node::create().unwrap();
    let runtime = runtime();
    on_each_rung(Family::CgroupLife, |rung, ebpf| {
        let _inside = runtime.enter();
        let mut records = Records::take(ebpf);
        let cgroup = node.system().child(&format!("life-{rung}")).unwrap();
        let id = cgroup.inode().unwrap();
        cgroup.remove().unwrap();
        runtime.block_on(async {
            records.expect(Kind::CgroupMkdir, |record| record.cgroup_id == id).await;
            records.expect(Kind::CgroupRmdir, |record| record.cgroup_id == id).await;
        });
    });
}

#[test]
fn a_missing_tracepoint_or_function_takes_its_rung_off_with_a_reason() {
    let _alone = common::alone();
    const NOWHERE: &[Attachment] = &[Attachment::need("fork_raw", "no_such_tracepoint")];
    const NO_FUNCTION: &[Attachment] = &[Attachment::need("fork_btf", "no_such_function")];
    const EXITS: &[Attachment] = &[Attachment::need("exit_raw", "sched_process_exit")];
    let rung =
        |name, hook, attachments| Rung { name, hook, attachments, offsets: &[], fs_offsets: &[] };
    let rungs = [
        rung("typed", Hook::BtfTracepoint, NO_FUNCTION),
        rung("raw", Hook::RawTracepoint, NOWHERE),
        rung("there", Hook::RawTracepoint, EXITS),
    ];
    let options = LoadOptions { ladder: &[(Family::Tasks, &rungs)], ..LoadOptions::default() };
    let (_ebpf, standings) = load(options).unwrap();
    assert_eq!(standings[0].rung, Some("there"));
    let reasons: Vec<&str> = standings[0].refused.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].contains("no_such_function"), "{reasons:?}");
    assert!(reasons[1].contains("no_such_tracepoint: "), "{reasons:?}");
    assert!(reasons[1].contains("No such file or directory"), "{reasons:?}");
}

#[test]
fn a_program_type_that_is_not_permitted_takes_its_rung_off() {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let _alone = common::alone_with_tracefs();
    // Capabilities belong to the thread, so the other tests keep theirs.
    let standings: Vec<Standing> = std::thread::spawn(|| {
        let held = capabilities(None).unwrap();
        let tracing = CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN;
        let effective = held.effective - tracing;
        set_capabilities(None, CapabilitySets { effective, ..held }).unwrap();
        load(LoadOptions::default()).unwrap().1
    })
    .join()
    .unwrap();
    for standing in standings {
        assert!(!standing.is_counted(), "{standing}");
        let is_program = |rung: &str| source(standing.family, rung).is_none();
        for refused in standing.refused.iter().filter(|refused| is_program(refused.rung)) {
            // Hooks that a module does not have are not even tried.
            let expected = ["Operation not permitted", "is a module"];
            assert!(expected.iter().any(|why| refused.reason.contains(why)), "{standing}");
        }
    }
}
