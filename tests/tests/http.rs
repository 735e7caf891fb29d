//! Health and metrics, as the kubelet and Prometheus ask for them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, net::SocketAddr, process::Command};

use evictd_tests::{
    evictd::{self, Options},
    http::{free_address, request},
    inbox::Inbox,
    incident,
    kind::Kind,
    node::Node,
    session::Session,
};

fn session(mode: &'static str, address: SocketAddr) -> Session {
    let mut options = Options::new(&common::evictd_binary(), mode);
    options.more_args = vec!["--http".to_owned(), address.to_string()];
    Session::start(Inbox::default(), &options).unwrap()
}

fn metrics(address: SocketAddr) -> String {
    let answer = request(address, "GET", "/metrics").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("application/openmetrics-text"), "{}", answer.head);
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    answer.body
}

/// The value of the one series with that name and all of those labels.
fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has =
        |line: &str, (key, value): &(&str, &str)| line.contains(&format!("{key}=\"{value}\""));
    let mut found = text.lines().filter(|line| {
        let is_named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        is_named && labels.iter().all(|label| has(line, label))
    });
    let value = found.next()?.rsplit(' ').next()?.parse().ok();
    assert_eq!(found.next(), None, "{name} {labels:?} is not one series");
    value
}

#[test]
fn the_node_the_probes_and_every_container_are_told() {
    let _alone = common::alone();
    let address = free_address().unwrap();
    let session = session("observe", address);
    let rungs = &session.started().rungs;
    let text = metrics(address);

    assert_eq!(
        value(&text, "evictd_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        Some(1.0)
    );
    for signal in ["allocatableMemory.available", "nodefs.available", "pid.available"] {
        let of = [("signal", signal)];
        let left = value(&text, "evictd_signal_available", &of).unwrap();
        let threshold = value(&text, "evictd_threshold", &[of[0], ("kind", "hard")]).unwrap();
        assert!(left > threshold && threshold > 0.0, "{signal}: {left} of {threshold}\n{text}");
        let age = value(&text, "evictd_signal_age_seconds", &of).unwrap();
        assert!((0.0..60.0).contains(&age), "{signal}: {age}");
        assert_eq!(value(&text, "evictd_threshold_met", &[of[0], ("kind", "hard")]), Some(0.0));
    }
    for family in ["writes", "tasks"] {
        let rung = rungs[family].rung.as_deref().unwrap_or("none");
        let labels = [("family", family), ("rung", rung)];
        assert_eq!(value(&text, "evictd_probe_rung", &labels), Some(1.0), "{text}");
    }
    let frontend = [("namespace", "shop"), ("pod", "frontend"), ("container", "app")];
    assert!(value(&text, "evictd_container_tasks", &frontend).unwrap() > 30.0);
    if rungs["writes"].rung.is_some() {
        // Its log grows all the time.
        let logged = |text: &str| {
            value(text, "evictd_container_log_written_bytes_total", &frontend).unwrap_or(0.0)
        };
        let before = logged(&text);
        while logged(&metrics(address)) <= before {}
    } else {
        println!("cannot run here: no rung counts writes");
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn evictions_are_counted() {
    let _alone = common::alone();
    let address = free_address().unwrap();
    let mut session = session("enforce", address);
    let before = metrics(address);
    assert_eq!(value(&before, "evictd_decision_seconds_count", &[]), Some(0.0), "{before}");
    let report = incident::run(&mut session, Kind::ForkBomb, 1, &mut |_| ()).unwrap();
    assert_eq!(report.failure, None, "{report:#?}");
    let text = metrics(address);
    let labels = [("signal", "pid.available"), ("path", "hard"), ("mode", "enforce")];
    assert_eq!(value(&text, "evictd_evictions_total", &labels), Some(1.0), "{text}");
    for histogram in ["evictd_decision_seconds_count", "evictd_kill_seconds_count"] {
        assert_eq!(value(&text, histogram, &[]), Some(1.0), "{histogram}\n{text}");
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn nothing_can_be_changed() {
    let _alone = common::alone();
    let address = free_address().unwrap();
    let session = session("observe", address);
    for (method, path, status) in [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("DELETE", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/config", 404),
    ] {
        let answer = request(address, method, path).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let ready = request(address, "GET", "/readyz").unwrap();
    let stands = ["writes", "tasks"].iter().all(|f| session.started().rungs[*f].rung.is_some());
    assert_eq!(ready.status, if stands { 200 } else { 503 }, "{ready:?}");

    assert!(session.stop().unwrap().status.success());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let _alone = common::alone();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let node = Node::create().unwrap();
    let config = node.dir().join("evictd.yaml");
    fs::write(&config, evictd::config(&node, "strict", "")).unwrap();
    let mut command = Command::new(common::evictd_binary());
    command.args(["run", "--http", &address.to_string(), "--config"]).arg(config);
    command.arg("--pods").arg(node.manifests_dir());
    let output = command.arg("--socket").arg(evictd::socket(&node)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("--http {address}")) && said.contains("free"), "{said}");
}
