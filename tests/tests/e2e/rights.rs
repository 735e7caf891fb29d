//! Rights that evictd's role lacks.

use serde_json::json;

use crate::{
    common,
    scene::{Prepared, install},
    small::idle,
};

/// Verb and resource as the log names them.
const MISSING: [&str; 3] =
    ["patch pods/status in namespace", "create events in namespace", "`patch` on `nodes/status`"];

#[test]
fn rights_that_are_missing_are_named_once_each_and_the_kill_does_not_wait_for_them() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let without = json!([{"op": "replace", "path": "/rules", "value": []}]).to_string();
    let role = ["patch", "clusterrole", "evictd-enforce", "--type=json", "--patch", &without];
    prepared.plane.kubectl(&role).unwrap();
    let mut small = prepared.small(&[idle("cart")]);
    small.start_knowing();
    let (from, eviction) = small.hog(0);
    for missing in MISSING {
        common::wait_until(missing, || small.log().contains(missing));
    }
    assert_eq!(small.status(0).phase.as_deref(), Some("Running"));
    small.wait_marks("nothing written on the node", <[_]>::is_empty);

    install(&small.plane);
    small.assert_told(from, 0, &eviction);
    small.wait_marks("conditions", |marks| marks.len() >= 3);
    for missing in MISSING {
        let log = small.log();
        let said: Vec<_> = log.lines().filter(|line| line.contains(missing)).collect();
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].contains("WARN"), "{said:#?}");
    }
    small.end();
}
