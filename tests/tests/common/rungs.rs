//! One probe family at a time, on each rung that this kernel has.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
};

use aya::Ebpf;
use evictd::probe::{Family, LADDER, LoadOptions, load};
use evictd_common::kernel_dev;
use evictd_tests::{
    cgroup::Cgroup,
    container::{enter, tool},
};
use rustix::fs::{major, minor};

/// The kernel's number of the filesystem at `path`.
pub(crate) fn kernel_dev_of(path: &Path) -> u32 {
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
pub(crate) fn on_each_rung(family: Family, mut test: impl FnMut(&str, &mut Ebpf)) {
    let (_, rungs) = LADDER.iter().find(|(f, _)| *f == family).unwrap();
    let mut stood = 0;
    for rung in *rungs {
        let only = [(family, std::slice::from_ref(rung))];
        let options = LoadOptions { ladder: &only, ..LoadOptions::default() };
        let (mut ebpf, standings) = load(options).unwrap();
        if standings[0].rung.is_none() {
            println!("cannot run here: {} {}", family.name(), standings[0].refused[0].reason);
            continue;
        }
        stood += 1;
        println!("{} on {}", family.name(), rung.name);
        test(rung.name, &mut ebpf);
    }
    assert!(stood > 0, "{} has no rung on this kernel", family.name());
}
