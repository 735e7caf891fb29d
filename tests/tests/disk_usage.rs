//! What evictd ranks pods by: one walk, then blocks taken less blocks given back, equal to what `du` says
//! after any churn and without another walk.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, time::Instant};

use common::{
    rungs::work,
    small_node::{PATIENCE, SmallNode, du, idle},
};
use evictd_tests::{
    cgroup::Cgroup,
    manifest::{PodSpec, StorageLimits},
    record::{Eviction, Record},
};

/// Churn in a container of that name, to its end. Gives the container's cgroup.
fn churn(node: &SmallNode, pod: usize, container: &str, seed: &str) -> Cgroup {
    let cgroup = node.pods[pod].cgroup().child(container).unwrap();
    let dir = node.pods[pod].volume_dir();
    let dir = dir.to_str().unwrap();
    work(&cgroup, &["churn", "--dir", dir, "--count", "1000", "--seed", seed, "--lifetime", "300"]);
    cgroup
}

fn by_blocks(disk: &serde_json::Value) -> bool {
    disk["by"] == "space"
}

#[test]
fn usage_is_what_du_says_after_churn_and_directories_are_walked_once() {
    let _alone = common::alone();
    let mut node = SmallNode::start(&[idle("churner")]);
    // Files from before evictd runs: it is not the pod's account that they grew on.
    let before = churn(&node, 0, "before", "7");
    if !node.start_evictd() {
        return;
    }
    let first = node.wait_disk(0, "a walk", by_blocks);
    node.assert_agrees(0, 0, "walked");
    before.remove().unwrap();
    for (container, seed) in [("one", "77"), ("two", "4242")] {
        let cgroup = churn(&node, 0, container, seed);
        node.assert_agrees(0, 0, container);
        // The container is gone, its files are not.
        cgroup.remove().unwrap();
        node.assert_agrees(0, 0, "its container gone");
    }
    let volume = node.pods[0].volume_dir();
    for file in fs::read_dir(&volume).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let last = node.assert_agrees(0, 0, "emptied by somebody else");
    assert!(by_blocks(&last), "{last}");
    assert_eq!(last["walks"], first["walks"], "{last}");
    assert_eq!(node.stop().stopped.disk_walks.deciding, 0);
}

#[test]
fn deleted_files_count_until_they_are_closed() {
    let _alone = common::alone();
    let mut node = SmallNode::start(&[idle("holder")]);
    let id = "holder-of-a-deleted-file";
    let spawn = |node: &mut SmallNode, id: &str| {
        let cgroup = node.pods[0].cgroup().child(id).unwrap();
        let file = node.pods[0].volume_dir().join(id);
        let tool = evictd_tests::container::tool("evictd-workload").unwrap();
        let mut command = std::process::Command::new(tool);
        command.args(["hold-deleted", "--mib", "8", "--lifetime", "300", "--file"]).arg(&file);
        command.stdout(std::process::Stdio::piped());
        evictd_tests::container::enter(&mut command, &cgroup).unwrap();
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut said).unwrap();
        assert_eq!(said, "held\n");
        (child, cgroup)
    };
    let (mut before, _) = spawn(&mut node, id);
    if !node.start_evictd() {
        return;
    }
    node.wait_disk(0, "a walk", by_blocks);
    node.assert_agrees(0, 8 << 20, "from before the start, found by its descriptor");
    let (mut later, later_cgroup) = spawn(&mut node, "later");
    node.assert_agrees(0, 16 << 20, "deleted under evictd's eyes");
    later_cgroup.kill_all().unwrap();
    later.wait().unwrap();
    node.assert_agrees(0, 8 << 20, "closed");
    node.pods[0].cgroup().at(id).kill_all().unwrap();
    before.wait().unwrap();
    node.assert_agrees(0, 0, "both closed");
    node.stop();
}

#[test]
fn the_pod_that_grew_is_ranked_above_one_that_overwrites() {
    let _alone = common::alone();
    let mut node = SmallNode::start(&[idle("overwriter"), idle("grower")]);
    if !node.start_evictd() {
        return;
    }
    for pod in [0, 1] {
        node.wait_disk(pod, "a walk", by_blocks);
    }
    let file = |node: &SmallNode, pod: usize| node.pods[pod].volume_dir().join("file");
    let write = |node: &SmallNode, pod: usize, mib: &str| {
        let cgroup = node.pods[pod].cgroup().child("writer").unwrap();
        let path = file(node, pod);
        let path = path.to_str().unwrap();
        work(&cgroup, &["write-exactly", "--bytes", "1048576", "--count", mib, "--file", path]);
    };
    for _ in 0..8 {
        write(&node, 0, "16");
        fs::OpenOptions::new().write(true).open(file(&node, 0)).unwrap().set_len(0).unwrap();
    }
    write(&node, 0, "4");
    write(&node, 1, "24");
    for (pod, what) in [(0, "overwritten"), (1, "grown")] {
        node.assert_agrees(pod, 0, what);
    }
    let eviction = press(&mut node);
    assert_eq!((&*eviction.pod, &*eviction.rank[0].pod), ("grower", "grower"), "{eviction:?}");
    let real = [1, 0].map(|pod| du(&node.pods[pod].volume_dir()) + du(node.pods[pod].log_dir()));
    for (place, real) in eviction.rank.iter().zip(real) {
        let told = place.usage.unwrap();
        assert!(told.abs_diff(real) <= real / 100 + 16384, "{place:?}: du {real}");
    }
    let filler = eviction.filled_by;
    assert!(filler.is_none_or(|filler| filler.role == "other"), "the test itself fills the disk");
    assert_eq!(node.stop().stopped.disk_walks.deciding, 0);
}

/// Fills the disk past its threshold from outside the pods; gives the eviction that would come of it.
fn press(node: &mut SmallNode) -> Eviction {
    let from = node.inbox.mark();
    let root = node.node.nodefs_root().to_owned();
    let free = rustix::fs::statvfs(&root).unwrap();
    let bytes = free.f_bavail * free.f_frsize - (100 << 20);
    let ballast = fs::File::create(root.join("ballast")).unwrap();
    rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
    let found = node.inbox.wait_record(from, PATIENCE, "an eviction", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    });
    found.unwrap()
}

#[test]
fn a_pod_of_too_many_files_goes_by_bytes_written_and_says_so() {
    let _alone = common::alone();
    let mut node = SmallNode::start(&[idle("many"), idle("few")]);
    let volume = node.pods[0].volume_dir();
    // The kernel has room for 14080 files, an eighth of which may be one pod's.
    for number in 0..2000 {
        fs::write(volume.join(number.to_string()), "x").unwrap();
    }
    if !node.start_evictd() {
        return;
    }
    node.wait_disk(1, "a walk", by_blocks);
    let many = node.wait_disk(0, "a walk", |disk| disk["walks"].as_u64() > Some(0));
    assert_eq!(many["by"], "written", "{many}");
    assert_eq!(many["reason"], "it has more files than are followed one by one");
    node.assert_agrees(0, 0, "walked");
    node.stop();
}

#[test]
fn pods_near_a_limit_are_walked_when_they_grow_and_not_when_they_overwrite() {
    let _alone = common::alone();
    let limits = StorageLimits { volume: 64, ..StorageLimits::NONE };
    let mut node = SmallNode::start(&[PodSpec { limits, ..idle("limited") }]);
    let path = node.pods[0].volume_dir().join("file");
    fs::write(&path, vec![b'x'; 4 << 20]).unwrap();
    if !node.start_evictd() {
        return;
    }
    let first = node.wait_disk(0, "a walk", by_blocks);
    let cgroup = node.pods[0].cgroup().child("writer").unwrap();
    let begin = Instant::now();
    for _ in 0..24 {
        // Overwritten, never larger: the old scheme walks after 30 MiB.
        let copy = format!("conv=notrunc if=/dev/zero bs=1M count=4 of={}", path.display());
        let mut dd = std::process::Command::new("dd");
        dd.args(copy.split(' ')).stderr(std::process::Stdio::null());
        evictd_tests::container::enter(&mut dd, &cgroup).unwrap();
        match dd.status() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("cannot run here: dd is not installed");
                return;
            }
            status => assert!(status.unwrap().success()),
        }
    }
    let after = node.assert_agrees(0, 0, "overwritten");
    // A walk once a minute is allowed for.
    if begin.elapsed().as_secs() < 50 {
        assert_eq!(after["walks"], first["walks"], "{after}");
    }
    let path = path.to_str().unwrap();
    work(&cgroup, &["write-exactly", "--bytes", "1048576", "--count", "40", "--file", path]);
    node.wait_disk(0, "another walk", |disk| disk["walks"].as_u64() > first["walks"].as_u64());
    node.assert_agrees(0, 0, "grown");
    node.stop();
}

#[test]
fn who_fills_the_disk_and_is_no_pod_is_named() {
    let _alone = common::alone();
    let mut node = SmallNode::start(&[idle("innocent")]);
    if !node.start_evictd() {
        return;
    }
    let from = node.inbox.mark();
    // An image pull: the runtime writes files that are nobody's log.
    let cgroup = node.node.system().at(evictd_tests::runtime::SERVICE);
    let images = node.node.nodefs_root().join("images");
    fs::create_dir(&images).unwrap();
    let found = (0..60).find_map(|layer| {
        let file = images.join(layer.to_string());
        let file = file.to_str().unwrap();
        work(&cgroup, &["write-exactly", "--bytes", "65536", "--count", "96", "--file", file]);
        let second = std::time::Duration::from_secs(1);
        let filler = |record: &Record| {
            if let Record::DiskFiller(filler) = record { Some(filler.clone()) } else { None }
        };
        node.inbox.wait_record(from, second, "the filler", filler).ok()
    });
    let filler = found.unwrap();
    let path = format!("/{}", cgroup.relative().display());
    assert_eq!((&*filler.cgroup, &*filler.role), (&*path, "runtime"), "{filler:?}");
    assert!(filler.message.contains("filled by containerd (the container runtime"), "{filler:?}");
    assert!(filler.message.ends_with("not by a pod"), "{filler:?}");
    node.stop();
}
