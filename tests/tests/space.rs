//! Disk usage from the kernel's counters against what the filesystem says, after heavy churn.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use common::rungs::{kernel_dev_of, on_each_filesystem, stat_dev_of, work};
use evictd::probe::{Counters, Family, FileOwners};
use evictd_common::{FileKey, LogDirectory, Space, SpaceOwner};
use evictd_tests::node::Node;

/// xfs collects what is freed for a moment first, and btrfs may hold a deleted file until it commits,
/// every 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of these a few hundred free blocks again, in each of the ways there are; more only takes longer, on btrfs
/// most of all.
const OPERATIONS: &str = "1000";

/// What `du` says of the contents of a directory.
fn du(dir: &Path) -> i64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    entries.map(|found| i64::try_from(found.blocks() * 512).unwrap()).sum()
}

fn net(space: Option<Space>) -> i64 {
    let space = space.unwrap_or_default();
    i64::try_from(space.grown).unwrap() - i64::try_from(space.released).unwrap()
}

fn made(root: &Path, name: &str) -> PathBuf {
    let dir = root.join(name);
    fs::create_dir(&dir).unwrap();
    dir
}

/// Within one per cent, or a block or two of the directory itself. xfs frees in the background, so it
/// is given time.
fn assert_agrees(counted: impl Fn() -> i64, real: impl Fn() -> i64, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (counted, real) = (counted(), real());
        if (counted - real).abs() <= real / 100 + 8192 {
            println!("{what}: counted {counted}, du {real}");
            return;
        }
        assert!(Instant::now() < deadline, "{what}: counted {counted}, du {real}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn growth_minus_release_is_what_du_says() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    on_each_filesystem(&node, Family::Space, |rung, root, ebpf| {
        let dev = kernel_dev_of(root);
        let mut counters = Counters::take(ebpf).unwrap();
        counters.watch(dev, 1).unwrap();
        for seed in ["1", "77", "4242"] {
            let name = format!("churn-{seed}-{rung}-{dev}");
            let cgroup = node.system().child(&name).unwrap();
            let id = cgroup.inode().unwrap();
            let dir = made(root, &name);
            let path = dir.to_str().unwrap();
            work(
                &cgroup,
                &[
                    "churn",
                    "--dir",
                    path,
                    "--count",
                    OPERATIONS,
                    "--seed",
                    seed,
                    "--lifetime",
                    "300",
                ],
            );
            let space = counters.space(id, dev).unwrap();
            assert!(space.released > 8 << 20, "much is given back as well: {space:?}");
            assert_agrees(|| net(counters.space(id, dev)), || du(&dir), &name);
            rustix::fs::syncfs(fs::File::open(&dir).unwrap()).unwrap();
            assert_agrees(
                || net(counters.space(id, dev)),
                || du(&dir),
                &format!("{name}, written back"),
            );
            assert_eq!(counters.drops(Family::Space), 0);
        }
    });
}

#[test]
fn what_others_free_is_taken_off_the_owner() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    on_each_filesystem(&node, Family::Space, |rung, root, ebpf| {
        let dev = kernel_dev_of(root);
        let mut counters = Counters::take(ebpf).unwrap();
        counters.watch(dev, 1).unwrap();
        let name = format!("owner-{rung}-{dev}");
        let cgroup = node.system().child(&name).unwrap();
        let dir = made(root, &name);
        let file = dir.join("file");
        let path = file.to_str().unwrap();
        work(&cgroup, &["write-exactly", "--file", path, "--bytes", "4096", "--count", "1000"]);
        let id = cgroup.inode().unwrap();
        assert_agrees(|| net(counters.space(id, dev)), || 4_096_000, "written");
        let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        open.set_len(2_048_000).unwrap();
        assert_agrees(|| net(counters.space(id, dev)), || 2_048_000, "truncated by the test");
        fs::remove_file(&file).unwrap();
        assert_agrees(|| net(counters.space(id, dev)), || 2_048_000, "open without a name");
        drop(open);
        assert_agrees(|| net(counters.space(id, dev)), || 0, "gone");
    });
}

#[test]
fn logs_are_the_log_directory_s_across_rotation() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    on_each_filesystem(&node, Family::Space, |rung, root, ebpf| {
        let dev = kernel_dev_of(root);
        let mut counters = Counters::take(ebpf).unwrap();
        counters.watch(dev, 1).unwrap();
        let runtime = node.system().child(&format!("space-runtime-{rung}-{dev}")).unwrap();
        let dir = made(root, &format!("space-log-{rung}"));
        let inode = dir.metadata().unwrap().ino();
        let key = LogDirectory { inode, dev: stat_dev_of(&dir), reserved: 0 };
        counters.watch_log_directory(key).unwrap();
        let log = dir.join("0.log");
        let write = || {
            let path = log.to_str().unwrap();
            work(
                &runtime,
                &["write-exactly", "--file", path, "--bytes", "100", "--count", "20000"],
            );
        };
        write();
        assert_agrees(|| net(counters.log_space(&key)), || du(&dir), "first file");
        fs::rename(&log, dir.join("0.log.1")).unwrap();
        write();
        assert_agrees(|| net(counters.log_space(&key)), || du(&dir), "rotated");
        fs::remove_file(dir.join("0.log.1")).unwrap();
        assert_agrees(|| net(counters.log_space(&key)), || du(&dir), "the old file removed");
        let runtime = counters.space(runtime.inode().unwrap(), dev);
        assert!(net(runtime) <= 8192, "the runtime is not blamed: {runtime:?}");
    });
}

#[test]
fn files_from_before_are_nobody_s_until_a_walk_names_their_owner() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    on_each_filesystem(&node, Family::Space, |rung, root, ebpf| {
        let dev = kernel_dev_of(root);
        let mut owners = FileOwners::open(ebpf).unwrap();
        let mut counters = Counters::take(ebpf).unwrap();
        let dir = made(root, &format!("before-{rung}"));
        let [unknown, walked] = ["unknown", "walked"].map(|name| dir.join(name));
        for file in [&unknown, &walked] {
            fs::write(file, vec![b'x'; 1 << 20]).unwrap();
        }
        counters.watch(dev, 1).unwrap();
        let found = walked.metadata().unwrap();
        let key = FileKey { inode: found.ino(), dev: stat_dev_of(&walked), reserved: 0 };
        let bytes = i64::try_from(found.blocks() * 512).unwrap();
        let owner = 0xfeed;
        owners.own(key, SpaceOwner::cgroup(owner, dev), bytes).unwrap();
        assert_eq!(owners.owner_of(key).map(|known| known.id), Some(owner));
        fs::remove_file(&walked).unwrap();
        assert_agrees(|| -net(counters.space(owner, dev)), || 1 << 20, "walked");
        assert_eq!(net(counters.unowned_space(dev)), 0);
        let cgroup = node.system().child(&format!("stray-{rung}-{dev}")).unwrap();
        let path = unknown.to_str().unwrap();
        work(&cgroup, &["truncate", "--file", path]);
        let freed_by = || counters.space(cgroup.inode().unwrap(), dev).unwrap_or_default();
        assert_agrees(|| -net(counters.unowned_space(dev)), || 1 << 20, "unknown");
        assert_eq!((net(Some(freed_by())), freed_by().stray), (0, 1 << 20), "noted who did it");
    });
}
