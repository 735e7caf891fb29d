//! The pod index.

use std::fs;

use evictd::config::{Protect, ProtectRule};

use crate::cgroups::{Sandbox, Use};

#[test]
fn kernel_pods_are_joined_to_cgroups_and_logs() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let a = sandbox.add_pod("a", "{}");
    let b = sandbox.add_pod("b", "{}");
    let logs = sandbox.layout().pod_logs("test", "b", "b");
    fs::create_dir_all(logs.join("c")).expect("mkdir");
    let mut index = sandbox.index();
    assert_eq!(index.len(), 2);
    for (number, cgroup) in [(0, &a), (1, &b)] {
        assert_eq!(index.by_cgroup(sandbox.inode(cgroup)), Some(number));
        let container = sandbox.inode(&format!("{cgroup}/c"));
        assert_eq!(index.by_cgroup(container), Some(number), "its container");
        let facts = index.get(number).expect("a pod").facts();
        assert_eq!(facts.id.cgroup_inode, sandbox.inode(cgroup));
    }
    assert_eq!(index.by_cgroup(sandbox.inode("kubepods")), None);
    let stat = rustix::fs::stat(logs.join("c")).expect("stat");
    assert_eq!(index.by_log_dir(stat.st_dev, stat.st_ino), Some(1));
    assert!(!index.refresh(), "nothing changed");

    sandbox.make(&format!("{a}/new"));
    fs::create_dir(logs.join("new")).expect("mkdir");
    assert!(index.refresh());
    assert_eq!(index.by_cgroup(sandbox.inode(&format!("{a}/new"))), Some(0));
    let stat = rustix::fs::stat(logs.join("new")).expect("stat");
    assert_eq!(index.by_log_dir(stat.st_dev, stat.st_ino), Some(1));

    let old = sandbox.inode(&format!("{a}/new"));
    sandbox.remove(&format!("{a}/new"));
    fs::remove_dir_all(&logs).expect("remove");
    assert!(index.refresh());
    assert_eq!(index.by_cgroup(old), None);
    assert_eq!(index.by_log_dir(stat.st_dev, stat.st_ino), None);
    assert!(!index.refresh(), "nothing changed");
}

#[test]
fn kernel_protection_changes_without_a_new_join() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    sandbox.add_pod("a", "{}");
    let mut index = sandbox.index();
    let before = index.get(0).expect("a pod").facts().clone();
    let rule = ProtectRule { namespace: "test".to_owned(), name: None };
    for (protect, protected) in
        [(Protect::new(vec![rule]), true), (Protect::default(), before.protected)]
    {
        index.protect(protect);
        let facts = index.get(0).expect("a pod").facts();
        assert_eq!((facts.protected, &facts.id), (protected, &before.id));
    }
}

#[test]
fn kernel_a_bad_manifest_leaves_the_last_good_pods() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    sandbox.add_pod("a", "{}");
    let mut index = sandbox.index();
    let kept = index.get(0).expect("a pod").facts().clone();
    assert_eq!(index.reload_if_changed(), Ok(false));
    let bad = sandbox.files.path().join("pods/b.yaml");
    fs::write(&bad, "kind: Pod\napiVersion: v1\nmetadata: {name: b}\n").expect("write");
    let error = index.reload_if_changed().expect_err("no uid").to_string();
    assert!(error.contains("b.yaml:3:1: field metadata.uid: is required"), "{error}");
    assert_eq!((index.len(), index.get(0).map(evictd::pods::Pod::facts)), (1, Some(&kept)));
    assert_eq!(index.reload_if_changed(), Ok(false), "told once");
    fs::remove_file(bad).expect("remove");
    assert_eq!(index.reload_if_changed(), Ok(true));
    assert_eq!(index.get(0).map(evictd::pods::Pod::facts), Some(&kept), "joined as before");
}

#[test]
fn kernel_a_pod_without_a_cgroup_is_joined_when_it_comes() {
    let Some(sandbox) = Sandbox::new(Use::All) else {
        return;
    };
    let cgroup = sandbox.add_pod("a", "{}");
    sandbox.remove(&format!("{cgroup}/c"));
    sandbox.remove(&cgroup);
    let mut index = sandbox.index();
    assert_eq!(index.get(0).expect("a pod").facts().id.cgroup_inode, 0);
    assert!(!index.refresh());
    sandbox.make(&cgroup);
    assert!(index.refresh());
    let pod = index.get(0).expect("a pod");
    assert_eq!(pod.facts().id.cgroup_inode, sandbox.inode(&cgroup));
    assert_eq!(pod.container_name(sandbox.inode(&cgroup)), None, "the pod itself");
    assert!(pod.counters().and_then(evictd::sample::PodCounters::memory_working_set).is_some());
}
