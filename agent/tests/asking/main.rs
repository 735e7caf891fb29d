//! Soft evictions against an API server in trouble: storms of 429, torn connections, silence. What a real
//! one answers is tested against a real one.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the outbox's tests make a client; these go through a kubeconfig")]
#[path = "../outbox_faults/server.rs"]
mod server;

use std::{fs, time::Duration};

use evictd::cluster::{
    ClusterArgs, Connection, Stop,
    evict::{Answered, Evictor, Request},
};
use evictd_core::{EvictionId, Outcome, RefusedReason};
use serde_json::json;

use server::{Reply, Script};

const PATIENCE: Duration = Duration::from_secs(60);

const ACCEPTED: Reply = Reply::Answer("201 Created", r#"{"kind":"Status","status":"Success"}"#);
const BUSY: Reply = Reply::Answer("503 Service Unavailable", "starting");
const STORM: Reply = Reply::Answer("429 Too Many Requests\r\nRetry-After: 1", "too many requests");
const LONG_STORM: Reply = Reply::Answer("429 Too Many Requests\r\nRetry-After: 60", "too many");
const BUDGET: Reply = Reply::Answer(
    "429 Too Many Requests",
    r#"{"kind":"Status","status":"Failure","message":"Cannot evict pod as it would violate the pod's disruption budget.","reason":"TooManyRequests","code":429,"details":{"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b needs 1 healthy pods and has 1 currently"}]}}"#,
);

fn request(id: u64) -> Request {
    Request {
        id: EvictionId(id),
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: "u-1".into(),
        grace: Duration::from_secs(7),
    }
}

/// Runs `test` with an evictor whose API server answers as it was told to.
fn against<F: Future>(server: &Script, test: impl FnOnce(Evictor) -> F) -> F::Output {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let config = json!({
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    });
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let args = ClusterArgs {
        kubeconfig: Some(kubeconfig),
        node_name: Some("n1".to_owned()),
        ..ClusterArgs::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::open(&args).unwrap();
        let (_keep, stop) = Stop::channel();
        let (evictor, worker) = Evictor::new();
        tokio::spawn(worker.run(connection, stop));
        test(evictor).await
    })
}

async fn answer(evictor: &mut Evictor) -> Answered {
    tokio::time::timeout(PATIENCE, evictor.answered()).await.expect("in time").expect("an answer")
}

/// What came of it: the outcome in short, and how long the pod is left alone, in seconds.
fn short(answered: &Answered) -> (&'static str, u64) {
    if let Outcome::Accepted { .. } = &answered.outcome {
        return ("accepted", 0);
    }
    let Outcome::Refused { reason, .. } = &answered.outcome else { panic!("{answered:?}") };
    match reason {
        RefusedReason::Disruption { retry_after } => ("budget", retry_after.as_secs()),
        RefusedReason::Unanswered { retry_after } => ("unanswered", retry_after.as_secs()),
        RefusedReason::Gone | RefusedReason::Reused | RefusedReason::Failed => {
            panic!("{answered:?}")
        }
    }
}

#[test]
fn trouble_is_gone_through_and_given_up_in_time() {
    let cases = [
        ("torn, then accepted", vec![Reply::Torn, Reply::Nothing, ACCEPTED], 3, "accepted"),
        ("storm, then accepted", vec![STORM, BUSY, ACCEPTED], 3, "accepted"),
        ("storm, then a budget", vec![STORM, BUDGET], 2, "budget"),
        ("storm without end", vec![BUSY], 5, "unanswered"),
        ("told to wait too long", vec![LONG_STORM], 1, "unanswered"),
    ];
    for (name, replies, attempts, expected) in cases {
        let server = Script::start(replies);
        let answered = against(&server, async |mut evictor: Evictor| {
            assert!(evictor.ask(request(1)));
            answer(&mut evictor).await
        });
        let (outcome, seconds) = short(&answered);
        assert_eq!((outcome, answered.attempts), (expected, attempts), "{name}: {answered:?}");
        assert!(outcome == "accepted" || seconds >= 10, "{name}: {answered:?}");
        assert_eq!(answered.detail.is_some(), outcome != "accepted", "{name}: {answered:?}");
        for _ in 0..attempts {
            let asked = server.asked();
            assert_eq!(asked.line, "POST /api/v1/namespaces/shop/pods/web-0/eviction?", "{name}");
            assert_eq!(asked.content_type, "application/json", "{name}");
            let options = json!({"gracePeriodSeconds": 7, "preconditions": {"uid": "u-1"}});
            assert_eq!(asked.body["deleteOptions"], options, "{name}");
        }
        assert!(server.is_quiet(), "{name}: asked too often");
    }
}

#[test]
fn a_budget_that_refuses_again_is_asked_less_often() {
    let server = Script::start(vec![BUDGET]);
    let waits = against(&server, async |mut evictor: Evictor| {
        let mut waits = Vec::new();
        for id in 1..=4 {
            assert!(evictor.ask(request(id)));
            let answered = answer(&mut evictor).await;
            assert_eq!(answered.id, EvictionId(id));
            waits.push(short(&answered).1);
        }
        waits
    });
    for (waited, at_least) in waits.iter().zip([10, 20, 40, 80]) {
        assert!((at_least..=at_least + at_least / 4).contains(waited), "{waits:?}");
    }
}

#[test]
fn one_that_is_given_up_is_not_answered_and_not_in_the_way() {
    let server = Script::start(vec![STORM, ACCEPTED]);
    let answered = against(&server, async |mut evictor: Evictor| {
        assert!(evictor.ask(request(1)));
        // Takes the request; waiting for it otherwise would keep the worker from asking.
        while server.is_quiet() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        evictor.cancel(EvictionId(1));
        assert!(evictor.ask(request(2)));
        answer(&mut evictor).await
    });
    assert_eq!((answered.id, short(&answered).0), (EvictionId(2), "accepted"));
}
