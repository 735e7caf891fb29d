//! The image, in a real containerd: what is in it runs, and nothing else is in it.

mod common;

use std::{env, fs, path::PathBuf};

use evictd_tests::{
    containerd::{Containerd, Programs},
    node::Node,
};

/// Names the archive that `cargo xtask image` writes.
const VARIABLE: &str = "EVICTD_IMAGE";
const NAME: &str = concat!("docker.io/library/evictd:", env!("CARGO_PKG_VERSION"));

#[test]
fn evictd_runs_in_its_image_and_there_is_no_shell() {
    let _alone = common::alone();
    let Some(archive) = env::var_os(VARIABLE).map(PathBuf::from) else {
        println!("cannot run here: {VARIABLE} is not set (cargo xtask image)");
        return;
    };
    let Some(programs) = Programs::find() else { return };
    assert!(fs::metadata(&archive).unwrap().len() < 30_000_000);
    let node = Node::create().unwrap();
    let containerd = Containerd::start(&programs, &node.nodefs_root().join("containerd")).unwrap();
    containerd.import_archive(&archive, NAME).unwrap();
    let mut cri = containerd.cri().unwrap();
    let parent = node.kubepods().at("besteffort").at("podimage");
    let parent = format!("/{}", parent.relative().display());
    let pod = cri.run_pod("image", &parent, &node.pod_logs_dir()).unwrap();
    for (attempt, words, expected) in [
        (0, &["--version"][..], concat!("evictd ", env!("CARGO_PKG_VERSION"))),
        (1, &["top", "--help"][..], "evictd top"),
        (2, &["check", "/etc/evictd.yaml"][..], "/etc/evictd.yaml: cannot be read"),
    ] {
        cri.run_image_to_end(&pod, "evictd", attempt, NAME, words).unwrap();
        let log = fs::read_to_string(cri.log_of(&pod, "evictd", attempt)).unwrap();
        assert!(log.contains(expected), "{words:?}: {log}");
    }
    let shell = cri.start(&pod, "shell", 0, NAME, "true").unwrap_err();
    assert!(format!("{shell:#}").contains("/bin/sh"), "{shell:#}");
}
