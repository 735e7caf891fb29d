//! A node with as many pods as any.

use std::fs;

use evictd_tests::{
    control_plane::ControlPlane,
    http::{free_address, request},
    kind::Kind,
};
use serde_json::{Deserializer, Value, json};

use crate::{
    common,
    scene::{NODE, Prepared},
};

/// Makes pods; gives their UIDs.
fn many(plane: &ControlPlane, count: usize) -> Vec<String> {
    plane.namespace("many").unwrap();
    let pod = |number| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("pod-{number}"), "namespace": "many"},
            "spec": {
                "nodeName": NODE, "automountServiceAccountToken": false,
                "containers": [{"name": "app", "image": "app"}],
            },
        })
    };
    let items: Vec<_> = (0..count).map(pod).collect();
    let file = plane.dir().join("many.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    fs::write(&file, list.to_string()).unwrap();
    let create = ["create", "--output=json", "--filename", &file.display().to_string()];
    let made = plane.kubectl(&create).unwrap();
    let made = Deserializer::from_str(&made).into_iter::<Value>();
    made.map(|pod| pod.unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn three_hundred_pods_are_known_and_the_right_one_goes() {
    let _alone = common::alone();
    let Some(mut prepared) = Prepared::new() else { return };
    let uids = many(&prepared.plane, 300);
    let address = free_address().unwrap();
    prepared.options.more_args = vec!["--http".to_owned(), address.to_string()];
    let mut scene = prepared.start();
    let known = scene.wait_pods("known");
    // Those, the roster's eight, and evictd's own.
    assert_eq!((&*known.source, known.listed), ("api", 309), "{known:?}");
    let class = scene.session.node().kubepods().at("besteffort");
    for uid in &uids {
        class.child(&format!("pod{uid}")).unwrap();
    }
    common::wait_until("it is ready", || {
        request(address, "GET", "/readyz").is_ok_and(|answer| answer.status == 200)
    });
    let (from, eviction) = scene.happen(Kind::MemoryHog);
    scene.settle(Kind::MemoryHog, from, eviction.id);
    scene.assert_told(from, &eviction);
    scene.assert_others_run(&[Kind::MemoryHog.offender()]);
    let ended = scene.session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.stopped.evictions, 1);
}
