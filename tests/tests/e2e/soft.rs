//! Soft evictions: asked for, refused by a disruption budget, and overtaken by the hard threshold.

use evictd_tests::{
    control_plane::ControlPlane,
    kind::Kind,
    node::PODS_MEMORY_BYTES,
    record::{Eviction, Record},
    truth::Gauge,
};

use crate::{
    common,
    known::assert_one_event,
    scene::{PATIENCE, Prepared, Scene},
};

/// The pods' own grace is 30 s.
const SOFT: &str = "
evictionSoft: {allocatableMemory.available: 96Mi}
evictionSoftGracePeriod: {allocatableMemory.available: 1s}
evictionMaxPodGracePeriod: 20
";
const GRACE_SECONDS: i64 = 20;
/// Between the soft threshold and the hard one; what [`NEXT`] holds is more than is missing.
const LEFT_MIB: u64 = 91;
/// Takes what is left past the hard one.
const MORE_MIB: u64 = 60;

const BUDGETED: &str = Kind::MemoryHog.offender();
/// Ranks next.
const NEXT: &str = "batch/report";
/// Ranks last.
const LAST: &str = "shop/frontend";

#[test]
fn a_budget_refuses_the_next_one_is_asked_for_and_the_hard_threshold_asks_nobody() {
    let _alone = common::alone();
    let Some(mut prepared) = Prepared::new() else { return };
    SOFT.clone_into(&mut prepared.options.more_config);
    let mut scene = prepared.start();
    exhausted_budget(&scene.plane, "data");
    let from = scene.session.inbox().mark();
    let gauge = Gauge::memory(scene.session.node().kubepods(), PODS_MEMORY_BYTES).unwrap();
    let left = u64::try_from(gauge.available().unwrap()).unwrap() >> 20;
    let most = (left - LEFT_MIB).to_string();
    let hog = ["memory-hog", "--mib-per-s", "500", "--max-mib", &most, "--lifetime", "90"];
    scene.session.start_worker(BUDGETED, &hog.map(str::to_owned)).unwrap();

    let refused = wait_eviction(&mut scene, from, BUDGETED);
    let (outcome, detail) = wait_answer(&mut scene, from, refused.id);
    assert_eq!(outcome, "disruption-budget", "{detail}");
    assert!(detail.contains("disruption budget"), "{detail}");
    let asked = wait_eviction(&mut scene, from, NEXT);
    assert_eq!(wait_answer(&mut scene, from, asked.id).0, "accepted");
    for eviction in [&refused, &asked] {
        assert_eq!((eviction.hard, &*eviction.outcome), (false, "asked"));
        assert_eq!((&eviction.method, eviction.kill_issued_ns), (&None, None));
    }
    assert_on_its_way(&mut scene, NEXT);
    assert!(scene.api_pod(BUDGETED).metadata.deletion_timestamp.is_none());
    scene.assert_others_run(&[]);

    end_as_the_kubelet_does(&mut scene, from, &asked);

    let from = scene.session.inbox().mark();
    let more = ["idle", "--mib", &MORE_MIB.to_string(), "--lifetime", "90"];
    scene.session.start_worker(LAST, &more.map(str::to_owned)).unwrap();
    let killed = scene.session.inbox().wait_record(from, PATIENCE, "a kill", |record| {
        let Record::Eviction(eviction) = record else { return None };
        (eviction.hard && full_name(eviction) == BUDGETED).then(|| eviction.clone())
    });
    let killed = killed.unwrap();
    assert_eq!(killed.outcome, "killed");
    scene.settle(Kind::MemoryHog, from, killed.id);
    scene.assert_told(from, &killed);
    let ended = scene.session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
}

/// The pod ends, which evictd waits for; it tells why, and the object goes.
fn end_as_the_kubelet_does(scene: &mut Scene, from: usize, asked: &Eviction) {
    let position = scene.session.position(NEXT).unwrap();
    assert!(scene.session.pods()[position].is_running(), "killed directly");
    scene.session.pods()[position].cgroup().kill_all().unwrap();
    for matter in ["status", "event"] {
        let told = scene.wait_told(from, &asked.uid, matter);
        assert_eq!(told.outcome, "accepted", "{told:?}");
    }
    let status = scene.status(NEXT);
    assert_eq!(status.reason.as_deref(), Some("Evicted"));
    assert_eq!(status.message.as_deref(), Some(&*asked.message));
    assert_one_event(&scene.plane, asked);
    let spec = scene.session.pods()[position].spec().clone();
    scene.kubelet.forget(&spec).unwrap();
    let released = scene.session.inbox().wait_record(from, PATIENCE, "the release", |record| {
        matches!(record, Record::Released(released) if released.id == asked.id).then_some(())
    });
    released.unwrap();
}

/// A budget that allows nothing, with the status that its controller would write.
fn exhausted_budget(plane: &ControlPlane, namespace: &str) {
    let namespace = format!("--namespace={namespace}");
    // Without `--selector` kubectl makes none.
    let create = ["create", "pdb", "all", "--min-available=1", "--selector=!none", &namespace];
    plane.kubectl(&create).unwrap();
    let status = r#"{"status": {"observedGeneration": 1, "disruptionsAllowed": 0,
        "currentHealthy": 0, "desiredHealthy": 1, "expectedPods": 1}}"#;
    let patch = ["patch", "pdb", "all", "--subresource=status", "--type=merge", "--patch", status];
    plane.kubectl(&[&patch[..], &[&namespace]].concat()).unwrap();
}

fn full_name(eviction: &Eviction) -> String {
    format!("{}/{}", eviction.namespace, eviction.pod)
}

/// Waits for the first eviction of that pod; before it only the one that was refused may have been chosen.
fn wait_eviction(scene: &mut Scene, from: usize, pod: &str) -> Eviction {
    let eviction = scene.session.inbox().wait_record(from, PATIENCE, pod, |record| {
        let Record::Eviction(eviction) = record else { return None };
        let chosen = full_name(eviction);
        assert!([pod, BUDGETED].contains(&&*chosen), "{eviction:#?}");
        (chosen == pod).then(|| eviction.clone())
    });
    match eviction {
        Ok(eviction) => eviction,
        Err(e) => panic!("{e}\n{}", scene.session.log_tail()),
    }
}

fn wait_answer(scene: &mut Scene, from: usize, asked: u64) -> (String, String) {
    let answer = scene.session.inbox().wait_record(from, PATIENCE, "an answer", |record| {
        let Record::EvictionAnswer { id, outcome, detail, .. } = record else { return None };
        (*id == asked).then(|| (outcome.clone(), detail.clone().unwrap_or_default()))
    });
    answer.unwrap()
}

/// The API server has taken a `policy/v1` Eviction with that grace. That it had the pod's UID as precondition is
/// what the admission policy demands.
fn assert_on_its_way(scene: &mut Scene, pod: &str) {
    let object = scene.api_pod(pod);
    assert!(object.metadata.deletion_timestamp.is_some());
    assert_eq!(object.metadata.deletion_grace_period_seconds, Some(GRACE_SECONDS));
    let conditions = object.status.unwrap().conditions.unwrap_or_default();
    let target = conditions.iter().find(|c| c.type_ == "DisruptionTarget").unwrap();
    assert_eq!(target.reason.as_deref(), Some("EvictionByEvictionAPI"));
}
