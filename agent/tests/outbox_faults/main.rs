//! The outbox against a server that fails on request, and on disks that do. What a real API server can be
//! made to do is tested against one.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod disks;
mod server;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use evictd::cluster::{
    Stop,
    outbox::{Matter, Notice, Outbox, Outcome, Told, Worker},
};
use kube::Client;
use serde_json::json;

use server::{Asked, Reply, Script};

const PATIENCE: Duration = Duration::from_secs(60);
const OK: Reply = Reply::Answer("200 OK", "{}");

fn notice(n: u64) -> Notice {
    let annotations = [
        ("offending_containers", "app"),
        ("offending_containers_usage", "99Mi"),
        ("starved_resource", "memory"),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Notice {
        namespace: "shop".into(),
        pod: format!("cart-{n}").into(),
        uid: format!("00000000-0000-4000-8000-00000000000{n}").into(),
        cgroup_inode: n,
        at_unix_ms: 1_700_000_000_000 + n,
        message: "The node was low on resource: memory. ".to_owned(),
        annotations: BTreeMap::from(annotations),
        disruption_target: n == 1,
    }
}

/// A worker on a thread of its own, as `evictd-api`.
struct Teller {
    stop: tokio::sync::watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    fn start(worker: Worker, client: impl FnOnce() -> Client + Send + 'static) -> Self {
        let (sender, mut stop) = Stop::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("runtime").block_on(async move {
                worker.run(client(), "node-1".into(), stop.requested()).await;
            });
        });
        Self { stop: sender, thread: Some(thread) }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// Opens the outbox and tells what is in it to `script`.
fn open(state: &Path, script: &Script) -> (Outbox, Teller) {
    let (outbox, worker) = Outbox::open(state).expect("outbox");
    let url = script.url.clone();
    let teller = Teller::start(worker, move || server::client(&url));
    (outbox, teller)
}

fn told(outbox: &Outbox, count: usize) -> Vec<Told> {
    let deadline = Instant::now() + PATIENCE;
    let mut told = Vec::new();
    while told.len() < count {
        assert!(Instant::now() < deadline, "told only {told:?}");
        told.extend(outbox.told());
        thread::sleep(Duration::from_millis(5));
    }
    told
}

fn endings(told: &[Told]) -> Vec<(Matter, Outcome, u32)> {
    told.iter().map(|told| (told.matter, told.outcome, told.attempts)).collect()
}

/// Files in the outbox's directory.
fn files(state: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(state.join("outbox")).into_iter().flatten().flatten();
    let mut names: Vec<_> = listed.filter_map(|f| f.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn status_asked() -> Asked {
    let condition = |kind, status, reason| {
        json!({
            "type": kind, "status": status, "reason": reason,
            "lastProbeTime": null, "lastTransitionTime": "2023-11-14T22:13:20Z",
        })
    };
    let mut disrupted = condition("DisruptionTarget", "True", "TerminationByKubelet");
    disrupted["message"] = json!("The node was low on resource: memory. ");
    Asked {
        line: "PATCH /api/v1/namespaces/shop/pods/cart-1/status?&fieldManager=evictd".to_owned(),
        content_type: "application/strategic-merge-patch+json".to_owned(),
        body: json!({
            "metadata": { "uid": "00000000-0000-4000-8000-000000000001" },
            "status": {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "The node was low on resource: memory. ",
                "conditions": [
                    condition("Ready", "False", "PodFailed"),
                    condition("ContainersReady", "False", "PodFailed"),
                    disrupted,
                ],
            },
        }),
    }
}

fn event_asked() -> Asked {
    Asked {
        line: "POST /api/v1/namespaces/shop/events?&fieldManager=evictd".to_owned(),
        content_type: "application/json".to_owned(),
        body: json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": "cart-1.00000000-0000-4000-8000-000000000001",
                "namespace": "shop",
                "annotations": {
                    "offending_containers": "app",
                    "offending_containers_usage": "99Mi",
                    "starved_resource": "memory",
                },
            },
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "cart-1",
                "uid": "00000000-0000-4000-8000-000000000001",
            },
            "type": "Warning",
            "reason": "Evicted",
            "message": "The node was low on resource: memory. ",
            "source": { "component": "evictd", "host": "node-1" },
            "firstTimestamp": "2023-11-14T22:13:20Z",
            "lastTimestamp": "2023-11-14T22:13:20Z",
            "count": 1,
            "reportingComponent": "evictd",
            "reportingInstance": "node-1",
        }),
    }
}

/// Requests of the first eviction, in order, where each reply but the last two is a failure.
#[test]
fn every_try_is_the_same_until_it_is_taken() {
    const MANY: Reply = Reply::Answer(
        "429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: text/plain",
        "Too many requests, please try again later.",
    );
    const INTERNAL: Reply = Reply::Answer(
        "500 Internal Server Error\r\nContent-Type: application/json",
        r#"{"kind":"Status","status":"Failure","reason":"InternalError","code":500}"#,
    );
    const UNAVAILABLE: Reply = Reply::Answer("503 Service Unavailable", "");
    let cases: [(&str, &[Reply], u64); 5] = [
        ("taken at once", &[], 0),
        ("too many requests", &[MANY, MANY], 2),
        ("torn answers", &[Reply::Torn, Reply::Torn], 0),
        ("no answers", &[Reply::Nothing, Reply::Nothing], 0),
        ("a server that starts", &[UNAVAILABLE, UNAVAILABLE, UNAVAILABLE], 0),
    ];
    for (name, failures, seconds) in cases {
        let script = Script::start([failures, &[OK]].concat());
        let state = tempfile::tempdir().expect("directory");
        let (outbox, teller) = open(state.path(), &script);
        let begun = Instant::now();
        outbox.put(notice(1));
        for _ in 0..=failures.len() {
            assert_eq!(script.asked(), status_asked(), "{name}");
        }
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_secs(seconds), "{name}: Retry-After is kept: {waited:?}");
        assert_eq!(script.asked(), event_asked(), "{name}");
        let tries = u32::try_from(failures.len()).expect("few") + 1;
        let expected =
            [(Matter::Status, Outcome::Accepted, tries), (Matter::Event, Outcome::Accepted, 1)];
        assert_eq!(endings(&told(&outbox, 2)), expected, "{name}");
        wait_until("the files go", || files(state.path()).is_empty());
        assert_eq!(outbox.depth().entries, 0, "{name}");
        drop(teller);
        assert!(script.is_quiet(), "{name}: nothing is told twice");
    }
    // What fails for one entry alone does not hold up the others.
    let script = Script::start(vec![INTERNAL, OK]);
    let state = tempfile::tempdir().expect("directory");
    let (outbox, _teller) = open(state.path(), &script);
    outbox.put(notice(1));
    let told = told(&outbox, 2);
    let expected = [(Matter::Event, Outcome::Accepted, 1), (Matter::Status, Outcome::Accepted, 2)];
    assert_eq!(endings(&told), expected);
}

#[test]
fn what_cannot_be_told_any_more_ends_with_a_reason() {
    let status = |code: &'static str, body: &'static str| Reply::Answer(code, body);
    let cases = [
        ("404 Not Found", r#"{"kind":"Status","reason":"NotFound","message":"m"}"#, Outcome::Gone),
        ("410 Gone", "{}", Outcome::Gone),
        (
            "409 Conflict",
            r#"{"kind":"Status","reason":"Conflict","message":"UID in precondition: a"}"#,
            Outcome::AnotherPod,
        ),
        (
            "422 Unprocessable Entity",
            r#"{"kind":"Status","reason":"Invalid","message":"m"}"#,
            Outcome::Refused,
        ),
        ("413 Request Entity Too Large", "too large", Outcome::Refused),
    ];
    for (code, body, outcome) in cases {
        let script = Script::start(vec![status(code, body)]);
        let state = tempfile::tempdir().expect("directory");
        let (outbox, _teller) = open(state.path(), &script);
        outbox.put(notice(1));
        let told = told(&outbox, 2);
        assert_eq!(endings(&told)[0], (Matter::Status, outcome, 1), "{code}");
        let detail = told[0].detail.as_deref().unwrap_or_default();
        assert!(detail.starts_with(&code[..3]), "{code}: {detail}");
        wait_until("the files go", || files(state.path()).is_empty());
    }
}

#[test]
fn what_is_not_allowed_is_kept_for_the_next_start() {
    const FORBIDDEN: Reply = Reply::Answer(
        "403 Forbidden",
        r#"{"kind":"Status","reason":"Forbidden","message":"cannot patch resource \"pods/status\""}"#,
    );
    let state = tempfile::tempdir().expect("directory");
    let script = Script::start(vec![FORBIDDEN]);
    let (outbox, teller) = open(state.path(), &script);
    outbox.put(notice(1));
    // The second try of the status says that the first did not end it.
    let lines: Vec<_> = (0..4).map(|_| script.asked().line).collect();
    assert!(lines[1..].contains(&status_asked().line), "{lines:?}");
    assert_eq!(outbox.told().count(), 0);
    assert_eq!(outbox.depth().entries, 2);
    assert!(outbox.depth().oldest.is_some_and(|age| age > Duration::from_secs(3600)));
    drop((teller, outbox));
    assert_eq!(files(state.path()).len(), 2);

    let script = Script::start(vec![OK]);
    let (mut outbox, _teller) = open(state.path(), &script);
    let unfinished = outbox.take_unfinished();
    assert_eq!(unfinished, [Arc::new(notice(1))]);
    assert_eq!(script.asked(), status_asked());
    assert_eq!(script.asked(), event_asked());
    assert_eq!(told(&outbox, 2).len(), 2);
    wait_until("the files go", || files(state.path()).is_empty());
}
