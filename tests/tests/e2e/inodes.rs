//! A pod uses up the inodes of nodefs.

use std::fs;

use evictd_tests::{evictd, manifest::PodSpec, pod::write_whole, record::Record};

use crate::{common, scene::Prepared, small::idle};

/// More inodes than its neighbour of the same priority has. Files of a pod are its own whoever writes them.
const OFFENDER: PodSpec = idle("thumbnails");
/// Files to make at most, bounded by the sandbox's filesystem (32768 inodes).
const FILES: u64 = 2_000;

#[test]
fn a_pod_that_uses_up_the_inodes_is_evicted_and_the_cluster_is_told() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[idle("neighbour"), OFFENDER]);
    small.start_knowing();
    let free = rustix::fs::statvfs(small.node.nodefs_root()).unwrap().f_ffree;
    // Half of what a victim holds counts as its release: then there has to be room again.
    let threshold = free - FILES / 10 * 9;
    let from = small.inbox.mark();
    let config = evictd::config(&small.node, small.options.semantics, "");
    let config = config.replace(
        "\nevictionHard:\n",
        &format!("\nevictionHard:\n  nodefs.inodesFree: \"{threshold}\"\n"),
    );
    write_whole(&small.node.dir().join("evictd.yaml"), &config).unwrap();
    small.wait(from, "the threshold", |record| {
        matches!(record, Record::Config { outcome, .. } if outcome == "applied").then_some(())
    });

    let volume = small.pods[1].volume_dir();
    for number in 0..FILES {
        fs::write(volume.join(number.to_string()), "").unwrap();
    }
    let eviction = small.wait_eviction(from);
    assert_eq!((&*eviction.uid, &*eviction.outcome), (small.pods[1].uid(), "killed"));
    assert_eq!((&*eviction.signal, eviction.hard), ("nodefs.inodesFree", true));
    let message = &eviction.message;
    assert!(message.starts_with("The node was low on resource: inodes. "), "{message}");
    small.assert_told(from, 1, &eviction);
    small.wait_marks("disk pressure", |marks| {
        marks.iter().any(|mark| mark == "evictd.dev/DiskPressure=True")
    });
    // The kubelet's part, after which there is room again.
    small.pods[1].remove_directories().unwrap();
    let released = small.wait(from, "the release", |record| {
        if let Record::Released(released) = record { Some(released.clone()) } else { None }
    });
    assert!(released.seen, "{released:?}");
    assert!(small.pods[0].is_running(), "{:#?}", small.inbox.since(from));
    assert_eq!(small.end().stopped.evictions, 1);
}
