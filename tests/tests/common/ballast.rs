//! A node whose disk is nearly full before anything goes wrong: an incident of a disk then has little to write,
//! which takes an emulated machine long.

use std::fs::File;

use evictd_tests::{evictd::DISK_THRESHOLD_MIB, node::Node};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Left above the threshold: the pods of the roster take a third of it, and as much again is several samples.
const LEFT_MIB: u64 = 112;

/// A node with a file that nobody writes to; it goes with the node.
pub(crate) fn node_with_ballast() -> Node {
    let node = Node::create().unwrap();
    let root = node.nodefs_root();
    let found = statvfs(root).unwrap();
    let free = found.f_bavail * found.f_frsize;
    if let Some(bytes) = free.checked_sub((DISK_THRESHOLD_MIB + LEFT_MIB) << 20) {
        let file = File::create(root.join("ballast")).unwrap();
        fallocate(&file, FallocateFlags::empty(), 0, bytes).unwrap();
    }
    node
}
