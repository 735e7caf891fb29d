//! Cgroup files in the place of programs.

use std::time::Duration;

use evictd::probe::{CgroupFiles, Family, Standing};
use evictd_common::{Kind, Record};

use crate::{
    cgroups::{Sandbox, Use},
    processes::{Process, Role},
};

/// Events arrive within milliseconds; this is for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime")
}

fn files(family: Family, rung: &'static str, most: usize) -> CgroupFiles {
    let standing = Standing { family, rung: Some(rung), refused: Vec::new() };
    CgroupFiles::open(&[standing], most).expect("files").expect("a rung of files")
}

/// Waits for a record of that kind about that cgroup; what came before it is passed over.
async fn expect(files: &mut CgroupFiles, kind: Kind, cgroup_id: u64) {
    let told = async {
        loop {
            let mut seen: Vec<Record> = Vec::new();
            files.records(|record| seen.push(record)).await.expect("records");
            let is = |record: &Record| record.kind() == Some(kind) && record.cgroup_id == cgroup_id;
            if seen.iter().any(is) {
                return;
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    assert!(told.is_ok(), "no {kind:?} of {cgroup_id} within {PATIENCE:?}");
}

#[test]
fn kernel_inotify_tells_containers_that_come_and_go() {
    let (Some(sandbox), runtime) = (Sandbox::new(Use::All), runtime()) else {
        return;
    };
    let _inside = runtime.enter();
    let pod = sandbox.add_pod("a", "{}");
    let index = sandbox.index();
    let mut files = files(Family::CgroupLife, "inotify", 100);
    files.follow(&index);
    runtime.block_on(async {
        let there = sandbox.inode(&format!("{pod}/c"));
        expect(&mut files, Kind::CgroupMkdir, there).await;

        let container = format!("{pod}/new");
        sandbox.make(&container);
        let id = sandbox.inode(&container);
        expect(&mut files, Kind::CgroupMkdir, id).await;
        sandbox.remove(&container);
        expect(&mut files, Kind::CgroupRmdir, id).await;

        // A pod with all that is in it, made faster than it can be listed.
        sandbox.make("kubepods/burstable/podnew/container");
        let ids = ["kubepods/burstable/podnew", "kubepods/burstable/podnew/container"]
            .map(|path| sandbox.inode(path));
        expect(&mut files, Kind::CgroupMkdir, ids[1]).await;
        sandbox.remove("kubepods/burstable/podnew/container");
        sandbox.remove("kubepods/burstable/podnew");
        expect(&mut files, Kind::CgroupRmdir, ids[0]).await;
    });
    assert!(files.hears_every_cgroup());
    assert_eq!(files.shortages(), []);
}

#[test]
fn kernel_watches_are_bounded_and_a_shortage_is_told_once() {
    let (Some(sandbox), runtime) = (Sandbox::new(Use::All), runtime()) else {
        return;
    };
    let _inside = runtime.enter();
    sandbox.add_pod("a", "{}");
    let index = sandbox.index();
    let mut files = files(Family::CgroupLife, "inotify", 2);
    files.follow(&index);
    let told = files.shortages();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].reason, "more than 2 watches are needed");
    assert!(!files.hears_every_cgroup());
    files.follow(&index);
    assert_eq!(files.shortages(), [], "told once");
}

#[test]
fn kernel_memory_files_tell_that_a_container_ran_out_of_memory() {
    let (Some(sandbox), runtime) = (Sandbox::new(Use::All), runtime()) else {
        return;
    };
    let _inside = runtime.enter();
    let pod = sandbox.add_pod("a", "{}");
    let index = sandbox.index();
    let container = format!("{pod}/c");
    // v2 tells the pod of what happens in its containers; v1 tells each cgroup.
    let (rung, told) = match sandbox.mounts().memory {
        Some(_) => ("eventfd", &container),
        None => ("inotify", &pod),
    };
    let mut files = files(Family::MemoryEvents, rung, 100);
    files.follow(&index);
    sandbox.set("memory", &container, "memory.max", "memory.limit_in_bytes", "16777216");
    let glutton = Process::start(&sandbox.entrances(&container), Role::Glutton(64 << 20));
    runtime.block_on(expect(&mut files, Kind::MemoryEvent, sandbox.inode(told)));
    assert_eq!(glutton.wait(), Some(libc::SIGKILL), "the OOM killer ended it");
    assert_eq!(files.shortages(), []);
}
