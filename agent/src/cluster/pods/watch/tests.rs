use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::cluster::{
    pods::PodsTold,
    scripted::{Answer, End, api},
};

/// Of the clock that stands still while there is something to do.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asks for the list in the watch.
const STREAM: &str = "sendInitialEvents=true";

fn pod(name: &str, uid: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "5"},
        "spec": {"nodeName": "node-a", "containers": [{"name": "app"}]},
    })
}

fn event(kind: &str, object: &serde_json::Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

fn added(name: &str, uid: &str) -> String {
    event("ADDED", &pod(name, uid))
}

/// Says that the list is complete.
fn listed() -> String {
    let metadata =
        json!({"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}});
    event("BOOKMARK", &json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))
}

fn status(code: u16, message: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
           "reason": "", "message": message})
}

fn answer(to: &'static str, pieces: Vec<String>, end: End) -> Answer {
    Answer { to, status: 200, pieces, end }
}

fn refusal(to: &'static str, code: u16, message: &str) -> Answer {
    Answer { to, status: code, pieces: vec![status(code, message).to_string()], end: End::Complete }
}

fn node() -> Answer {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}});
    answer("GET /api/v1/nodes/node-a", vec![node.to_string()], End::Complete)
}

type Asked = Arc<Mutex<Vec<String>>>;

/// A watch of what the server has to say.
fn watching(answers: Vec<Answer>) -> (PodFeed, Asked) {
    let (client, asked) = api(answers);
    let feed = PodFeed::default();
    let (connection, filled) = (Connection::to(client, "node-a"), feed.clone());
    tokio::spawn(async move { keep(&connection, &filled, None).await });
    (feed, asked)
}

/// Waits until the feed is as wanted.
async fn until(feed: &PodFeed, what: &str, wanted: impl Fn(&PodsTold) -> bool) -> PodsTold {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(told) = feed.latest().filter(&wanted) {
                return told;
            }
            feed.changed().await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: {:?}", feed.latest()))
}

fn uids(told: &PodsTold) -> Vec<&str> {
    told.records.iter().map(|record| &*record.uid).collect()
}

fn is_known(told: &PodsTold) -> bool {
    told.known == PodsKnown::Now
}

#[tokio::test(start_paused = true)]
async fn an_expired_watch_begins_anew_and_loses_nothing() {
    let gone = event("ERROR", &status(410, "too old resource version"));
    let (feed, asked) = watching(vec![
        node(),
        answer(STREAM, vec![added("a", "1"), listed(), gone], End::Silence),
        node(),
        answer(STREAM, vec![added("b", "2"), listed()], End::Silence),
    ]);
    let first = until(&feed, "listed", is_known).await;
    assert_eq!(uids(&first), ["1"]);
    assert_eq!(feed.changes(), 1);
    let second = until(&feed, "listed again", |told| told.generation > first.generation).await;
    assert_eq!((uids(&second), is_known(&second)), (vec!["2"], true));
    assert_eq!(feed.changes(), 2, "never said to be lost");
    let selects = "fieldSelector=spec.nodeName%3Dnode-a";
    assert!(asked.lock().expect("no panic")[1].contains(selects));
}

#[tokio::test(start_paused = true)]
async fn a_torn_connection_leaves_the_last_known_pods() {
    let (feed, _) = watching(vec![
        node(),
        answer(STREAM, vec![added("a", "1"), listed()], End::Torn),
        refusal("nodes/node-a", 503, "apiserver is shutting down"),
        node(),
        // Broken off before the list is complete.
        answer(STREAM, vec![added("b", "2")], End::Torn),
        node(),
        answer(STREAM, vec![added("a", "1"), added("b", "2"), listed()], End::Silence),
    ]);
    let first = until(&feed, "listed", |told| told.known.is_known()).await;
    let is_stale = |told: &PodsTold| matches!(&told.known, PodsKnown::Before(_));
    let stale = until(&feed, "lost", is_stale).await;
    assert_eq!(uids(&stale), ["1"], "as before");
    let refused = |told: &PodsTold| told.known.error().and_then(ConnectError::code) == Some(503);
    until(&feed, "still lost, otherwise", refused).await;
    let last = until(&feed, "listed again", is_known).await;
    assert_eq!((uids(&last), last.generation), (vec!["1", "2"], first.generation + 1));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let (feed, asked) = watching(vec![
        node(),
        answer(STREAM, vec![added("a", "1"), listed()], End::Complete),
        answer("watch=true", vec![added("b", "2")], End::Silence),
    ]);
    let both = until(&feed, "gone on", |told| told.records.len() == 2).await;
    assert_eq!(uids(&both), ["1", "2"]);
    let asked = asked.lock().expect("no panic");
    assert!(asked[2].contains("resourceVersion=7") && !asked[2].contains(STREAM), "{}", asked[2]);
}

#[tokio::test(start_paused = true)]
async fn without_streaming_pods_are_listed_by_pages() {
    let page = |name: &str, uid: &str, metadata| {
        json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata,
               "items": [pod(name, uid)]})
        .to_string()
    };
    let paged = || {
        let first = page("a", "1", json!({"continue": "more", "resourceVersion": "9"}));
        let last = page("b", "2", json!({"resourceVersion": "9"}));
        [
            node(),
            answer("limit=50", vec![first], End::Complete),
            answer("continue=more", vec![last], End::Complete),
            answer("resourceVersion=9", vec![], End::Silence),
        ]
    };
    let cases = [
        ("refused", refusal(STREAM, 422, "sendInitialEvents is forbidden")),
        (
            "etcd too old",
            answer(STREAM, vec![event("ERROR", &status(500, "disabled"))], End::Complete),
        ),
        ("taken for an ordinary watch", answer(STREAM, vec![added("a", "1")], End::Silence)),
    ];
    for (name, first) in cases {
        let (feed, _) = watching([node(), first].into_iter().chain(paged()).collect());
        let told = until(&feed, name, is_known).await;
        assert_eq!(uids(&told), ["1", "2"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_told_by_verb_and_resource() {
    let cases = [
        ("401", vec![refusal("nodes/node-a", 401, "Unauthorized")], "get nodes: "),
        ("403", vec![node(), refusal(STREAM, 403, "no")], "needs the verb `watch` on `pods`"),
        ("404", vec![refusal("nodes/node-a", 404, "not found")], "no node `node-a`"),
        ("503", vec![node(), refusal(STREAM, 503, "etcd")], "watch pods: the API server"),
    ];
    for (name, answers, text) in cases {
        let (feed, _) = watching(answers);
        let told = until(&feed, name, |told| told.known.error().is_some()).await;
        let error = told.known.error().map(ToString::to_string).unwrap_or_default();
        assert!(error.contains(text), "{name}: {error}");
        assert_eq!(told.known.name(), "unknown", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_may_not_be_checked_does_not_keep_from_watching() {
    let (feed, _) = watching(vec![
        refusal("nodes/node-a", 403, "no"),
        answer(STREAM, vec![added("a", "1"), listed()], End::Silence),
    ]);
    assert_eq!(uids(&until(&feed, "listed", is_known).await), ["1"]);
}
