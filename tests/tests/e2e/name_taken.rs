//! A pod is deleted and made anew under the same name before its eviction is told.

use serde_json::json;

use crate::{
    common,
    known::assert_one_event,
    scene::{Prepared, install},
    small::idle,
};

const POD: evictd_tests::manifest::PodSpec = idle("cart");

#[test]
fn a_new_pod_of_the_same_name_is_not_taken_for_the_old_one() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    // Keeps the status from being told until the name is taken.
    let without = json!([{"op": "remove", "path": "/rules/0"}]).to_string();
    let role = ["patch", "clusterrole", "evictd-enforce", "--type=json", "--patch", &without];
    prepared.plane.kubectl(&role).unwrap();
    let mut small = prepared.small(&[POD]);
    small.start_knowing();
    let (from, eviction) = small.hog(0);
    common::wait_until("telling is tried", || small.log().contains("patch pods/status"));
    small.clear_away(0);
    small.add(&POD);
    assert_ne!(small.pods[0].uid(), eviction.uid);
    let before = small.kubelet.pod(&POD).unwrap().unwrap();
    install(&small.plane);

    let told = small.wait_told(from, &eviction.uid, "status");
    assert_eq!(told.outcome, "another-pod", "{told:?}");
    assert_eq!(small.wait_told(from, &eviction.uid, "event").outcome, "accepted");
    assert_one_event(&small.plane, &eviction);
    let after = small.kubelet.pod(&POD).unwrap().unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "not touched");
    assert!(small.pods[0].is_running());

    // Only what it does itself counts.
    let (from, second) = small.hog(0);
    assert_eq!(second.uid, small.pods[0].uid());
    small.assert_told(from, 0, &second);
    assert_eq!(small.end().stopped.evictions, 2);
}
