//! One probe family at a time, on each rung that this kernel has.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
};

use aya::Ebpf;
use evictd::{
    probe::{Family, FsKind, LADDER, LoadOptions, load},
    sample::Filesystem,
};
use evictd_common::kernel_dev;
use evictd_tests::{
    cgroup::Cgroup,
    container::{enter, tool},
    node::Node,
    scratch::Scratch,
};
use rustix::fs::{major, minor};

/// The kernel's number of the filesystem at `path`.
pub(crate) fn kernel_dev_of(path: &Path) -> u32 {
    let dev = Filesystem::open(path).unwrap().superblock_dev();
    kernel_dev(major(dev), minor(dev))
}

/// Asserts that bytes were counted: exactly, but on the rungs of dirty folios within a tenth, since a folio
/// that is written back meanwhile counts again.
pub(crate) fn assert_counted(rung: &str, counted: u64, real: u64, what: &str) {
    let slack = if rung.ends_with("dirty-folio") { real / 10 } else { 0 };
    assert!(counted.abs_diff(real) <= slack, "{what} on {rung}: counted {counted} of {real}");
}

/// The kernel's number of the device that `stat` tells for `path`: on btrfs, the subvolume's.
pub(crate) fn stat_dev_of(path: &Path) -> u32 {
    let dev = path.metadata().unwrap().dev();
    kernel_dev(major(dev), minor(dev))
}

/// Runs a workload in `cgroup` to its end.
pub(crate) fn work(cgroup: &Cgroup, args: &[&str]) {
    let mut command = Command::new(tool("evictd-workload").unwrap());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    enter(&mut command, cgroup).unwrap();
    let status = command.status().unwrap();
    assert!(status.success(), "{args:?}: {status}");
}

/// Loads one family on each of its rungs in turn; a rung that this kernel refuses is named.
pub(crate) fn on_each_rung(family: Family, test: impl FnMut(&str, &mut Ebpf)) {
    let stood = on_rungs_there_are(FsKind::Ext4, family, test);
    assert!(stood > 0, "{} has no rung on this kernel", family.name());
}

/// The same for a filesystem; returns on how many rungs the test was run.
pub(crate) fn on_rungs_there_are(
    filesystem: FsKind,
    family: Family,
    mut test: impl FnMut(&str, &mut Ebpf),
) -> usize {
    let (_, rungs) = LADDER.iter().find(|(f, _)| *f == family).unwrap();
    let mut stood = 0;
    // Files are told of by evictd itself, not by what is loaded here.
    for rung in rungs.iter().filter(|rung| rung.source().is_none()) {
        let only = [(family, std::slice::from_ref(rung))];
        let filesystems = &[filesystem];
        let options = LoadOptions { ladder: &only, filesystems, ..LoadOptions::default() };
        let (mut ebpf, standings) = load(options).unwrap();
        if standings[0].rung.is_none() {
            let reason = &standings[0].refused[0].reason;
            println!("cannot run here: {} on {}: {reason}", family.name(), rung.name);
            continue;
        }
        stood += 1;
        println!("{} on {}, {}", family.name(), rung.name, filesystem.name());
        test(rung.name, &mut ebpf);
    }
    stood
}

/// Runs a test on each rung for each filesystem that this machine can make. The test gets the
/// filesystem's mount point.
pub(crate) fn on_each_filesystem(
    node: &Node,
    family: Family,
    mut test: impl FnMut(&str, &Path, &mut Ebpf),
) {
    on_each_rung(family, |rung, ebpf| test(rung, node.nodefs_root(), ebpf));
    for kind in [FsKind::Xfs, FsKind::Btrfs] {
        let Some(scratch) = Scratch::mount(node, kind.name()).unwrap() else { continue };
        on_rungs_there_are(kind, family, |rung, ebpf| test(rung, scratch.root(), ebpf));
    }
}
