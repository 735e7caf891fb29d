//! evictd on a node of a real cluster: what `deploy/` gives it is all it has.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod as_deployed;
#[path = "../common/mod.rs"]
mod common;
mod expired;
mod inodes;
mod known;
mod machine;
mod many;
mod name_taken;
mod pressure;
mod relay;
mod rights;
mod rotation;
mod scene;
mod small;
mod soft;
mod taken_back;
mod template;

use evictd_tests::{
    control_plane::Kubelet,
    kind::Kind,
    manifest::{PodSpec, Qos, StorageLimits},
};
use known::{assert_evicted, marks};
use scene::{OTHER, Prepared, Scene};

/// A pod of the other node, of the lowest rank that there is.
const FAR: PodSpec = PodSpec {
    namespace: "shop",
    name: "far",
    qos: Qos::BestEffort,
    priority: -100,
    memory_mib: 0,
    disk_mib: 0,
    work: &[],
    empty_dir: false,
    limits: StorageLimits::NONE,
    is_static: false,
};

/// Would be first to go for memory, were it not static.
const STATIC: PodSpec = PodSpec {
    namespace: "kube-system",
    name: "proxy-node-a",
    qos: Qos::Burstable,
    priority: -100,
    memory_mib: 4,
    disk_mib: 64,
    work: &["idle", "--mib", "48"],
    empty_dir: false,
    limits: StorageLimits::NONE,
    is_static: true,
};

#[test]
fn each_kind_of_hard_eviction_ends_in_the_cluster_and_touches_nobody_else() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let other = Kubelet::register(&prepared.plane, OTHER).unwrap();
    other.create_pod(&FAR).unwrap();
    let far = other.pod(&FAR).unwrap();
    let mut scene = prepared.start();
    let mut victims = Vec::new();
    for kind in Kind::ALL {
        let (from, eviction) = scene.happen(kind);
        victims.push(kind.offender());
        scene.settle(kind, from, eviction.id);
        scene.assert_told(from, &eviction);
        scene.assert_others_run(&victims);
    }
    assert_eq!(other.pod(&FAR).unwrap(), far, "not even looked at");
    common::wait_until("the conditions are over", || {
        let marks = marks(&scene.kubelet.object().unwrap());
        marks.len() == 3 && marks.iter().all(|mark| mark.ends_with("=False"))
    });
    let Scene { session, plane: _plane, kubelet } = scene;
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.stopped.evictions, 3);
    assert_eq!(kubelet.object().map(|node| marks(&node)).unwrap(), Vec::<String>::new());
    assert_eq!(common::leftovers(std::process::id()), Vec::<String>::new());
}

#[test]
fn the_kill_needs_no_api_server_and_the_cluster_hears_of_it_when_there_is_one() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut scene = prepared.start();

    scene.plane.stop_apiserver().unwrap();
    let (from, before) = scene.happen(Kind::MemoryHog);
    scene.settle(Kind::MemoryHog, from, before.id);
    scene.plane.start_apiserver().unwrap();
    scene.assert_told(from, &before);

    scene.plane.freeze_apiserver().unwrap();
    let (from, during) = scene.happen(Kind::ForkBomb);
    scene.settle(Kind::ForkBomb, from, during.id);
    scene.plane.thaw_apiserver().unwrap();
    scene.assert_told(from, &during);

    let (from, after) = scene.happen(Kind::LogWriter);
    scene.plane.kill_apiserver().unwrap();
    scene.settle(Kind::LogWriter, from, after.id);
    scene.plane.start_apiserver().unwrap();
    // It may have been told, and even answered, before.
    let told = scene.wait_told(from, &after.uid, "status");
    assert_eq!(told.outcome, "accepted", "{told:?}");
    let told = scene.wait_told(from, &after.uid, "event");
    assert!(["accepted", "already-told"].contains(&&*told.outcome), "{told:?}");
    let status = scene.status(Kind::LogWriter.offender());
    assert_evicted(&scene.plane, &status, &after);

    scene.assert_others_run(&Kind::ALL.map(Kind::offender));
    assert!(scene.session.stop().unwrap().status.success());
}

#[test]
fn a_static_pod_is_never_evicted_though_it_would_be_the_first() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut scene = prepared.start();
    scene.session.add(&STATIC).unwrap();
    let (from, eviction) = scene.happen(Kind::MemoryHog);
    scene.settle(Kind::MemoryHog, from, eviction.id);
    scene.assert_told(from, &eviction);
    scene.assert_others_run(&[Kind::MemoryHog.offender()]);
    let first = eviction.rank.iter().find(|place| place.pod == STATIC.name);
    assert!(first.is_some_and(|place| place.namespace == STATIC.namespace), "{:?}", eviction.rank);
    assert!(scene.session.stop().unwrap().status.success());
}
