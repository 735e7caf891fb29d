//! A recorded incident can be played again, under its own policy and under others, and ranked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio, id},
    thread,
    time::{Duration, Instant},
};

use evictd_tests::{
    evictd::{Options, config},
    inbox::Inbox,
    kind::Kind,
    node::PODS_MEMORY_BYTES,
    record::Record,
    session::Session,
    truth::Gauge,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A file outside the node, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("evictd-trace-{}-{name}", id())))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn wait_for(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !fs::read_to_string(&self.0).unwrap_or_default().contains(wanted) {
            assert!(Instant::now() < deadline, "no {wanted} in {}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A running `evictd record`, killed on drop.
struct Recording(Child);

impl Recording {
    fn start(session: &Session, out: &Scratch) -> Self {
        let node = session.node();
        let mut command = Command::new(common::evictd_binary());
        command.args(["record", "--out", out.text(), "--for", "5m", "--config"]);
        command.arg(node.dir().join("evictd.yaml")).arg("--pods").arg(node.manifests_dir());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn interrupt(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn evictd(args: &[&str]) -> Output {
    Command::new(common::evictd_binary()).args(args).output().unwrap()
}

#[track_caller]
fn json(args: &[&str]) -> Value {
    let output = evictd(&[args, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Has the offender take memory until 10 MiB past the threshold, and waits for the decision. The worker
/// is bounded in size and time.
fn incident(session: &mut Session) {
    let gauge = Gauge::memory(session.node().kubepods(), PODS_MEMORY_BYTES).unwrap();
    let (_, threshold) = Kind::MemoryHog.signal();
    let left = u64::try_from(gauge.available().unwrap()).unwrap();
    let mib = ((left - threshold) >> 20) + 10;
    let args = format!("memory-hog --mib-per-s 300 --max-mib {mib} --lifetime 60");
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    let from = session.inbox().mark();
    session.start_worker(Kind::MemoryHog.offender(), &args).unwrap();
    let evicted = session.inbox().wait_record(from, PATIENCE, "an eviction", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    });
    evicted.unwrap();
}

/// The changes of the offender's evictions in a replay, with the thresholds they were made for.
fn evictions(replay: &Value) -> Vec<(String, i64)> {
    let decisions = replay["decisions"].as_array().unwrap().iter();
    let of_offender = decisions.filter(|decision| {
        decision["decision"] == "evict" && decision["pod"] == Kind::MemoryHog.offender()
    });
    let change = |decision: &Value| decision["change"].as_str().unwrap().to_owned();
    of_offender.map(|d| (change(d), d["threshold"].as_i64().unwrap())).collect()
}

/// The node's configuration with another threshold of memory.
fn other_config(session: &Session, mib: i64) -> Scratch {
    let (key, text) = ("allocatableMemory.available: ", config(session.node(), "strict", ""));
    let other = text.replace(&format!("{key}64Mi"), &format!("{key}{mib}Mi"));
    assert_ne!(text, other);
    let file = Scratch::new(&format!("{mib}.yaml"));
    fs::write(&file.0, other).unwrap();
    file
}

#[test]
fn an_incident_is_recorded_and_played_under_other_policies() {
    let _alone = common::alone();
    let (run, all) = (Scratch::new("run.jsonl"), Scratch::new("all.jsonl"));
    let mut options = Options::new(&common::evictd_binary(), "observe");
    options.more_args = vec!["--record".into(), run.text().into()];
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    let (earlier, never) = (other_config(&session, 96), other_config(&session, 1));
    let recording = Recording::start(&session, &all);
    all.wait_for("\"observation\"");
    incident(&mut session);
    all.wait_for("\"command\":\"evict\"");
    recording.interrupt();
    assert!(session.stop().unwrap().status.success());

    for trace in [&run, &all] {
        let again = json(&["replay", trace.text()]);
        assert_eq!(again["reproduced"], true, "{again}");
        assert_eq!(again["warnings"], Value::Array(Vec::new()));
        let same = ("same".to_owned(), 64 << 20);
        assert_eq!(evictions(&again).first(), Some(&same), "{again}");
        let why = &again["decisions"].as_array().unwrap().iter().find(|d| d["decision"] == "evict");
        assert!(why.unwrap()["place"]["why"].is_string(), "{again}");
    }
    let played = json(&["replay", all.text(), "--config", earlier.text()]);
    let changes = evictions(&played);
    assert!(changes.contains(&("only_recorded".to_owned(), 64 << 20)), "{played}");
    assert!(changes.contains(&("only_replayed".to_owned(), 96 << 20)), "{played}");
    // Nobody is killed: while the memory is held, each look decides the same.
    let played = json(&["replay", all.text(), "--config", never.text()]);
    let changes = evictions(&played);
    let is_recorded = |change: &(String, i64)| *change == ("only_recorded".to_owned(), 64 << 20);
    assert!(!changes.is_empty() && changes.iter().all(is_recorded), "{played}");
    let kubelet = || evictd(&["replay", all.text(), "--semantics", "kubelet"]);
    let (first, second) = (kubelet(), kubelet());
    assert!(first.status.success());
    assert_eq!(first.stdout, second.stdout, "the same trace and policy give the same bytes");

    let ranked = json(&["rank", "--signal", "allocatableMemory.available", "--from", all.text()]);
    assert_eq!(ranked["places"].as_array().unwrap().len(), 8);
    let first = &ranked["places"][0];
    let name = format!("{}/{}", first["namespace"], first["pod"]).replace('"', "");
    assert_eq!(name, Kind::MemoryHog.offender(), "{ranked}");
    let at_start = ["rank", "--signal", "pid.available", "--at", "5", "--from", all.text()];
    assert!(json(&at_start)["at_seconds"].as_f64().unwrap() <= 5.0);
}

#[test]
fn this_nodes_pods_are_ranked() {
    let _alone = common::alone();
    let options = Options::new(&common::evictd_binary(), "observe");
    let session = Session::start(Inbox::default(), &options).unwrap();
    let node = session.node();
    let (config, pods) = (node.dir().join("evictd.yaml"), node.manifests_dir());
    let at = |signal, more: &[&'static str]| {
        let config = ["--config", config.to_str().unwrap(), "--pods", pods.to_str().unwrap()];
        [&["rank", "--signal", signal][..], &config, more]
            .concat()
            .iter()
            .map(|s| (*s).to_owned())
            .collect::<Vec<_>>()
    };
    for signal in
        ["allocatableMemory.available", "pid.available", "nodefs.available", "nodefs.inodesFree"]
    {
        let args = at(signal, &[]);
        let ranked = json(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let places = ranked["places"].as_array().unwrap();
        assert_eq!(places.len(), 8, "{signal}");
        assert!(places.iter().all(|place| place["usage"].is_u64()), "{signal}: {ranked}");
        assert!(places[..7].iter().all(|place| place["why"].is_string()), "{signal}: {ranked}");
    }
    let args = at("pid.available", &["--top", "2"]);
    let table = evictd(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("pid.available: ") && table.ends_with("6 more\n"), "{table}");
    assert!(!table.contains('\x1b'), "colours although stdout is no terminal");
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn bad_input_is_told_with_its_place() {
    let bad = Scratch::new("bad.jsonl");
    fs::write(&bad.0, "{\"format\":\"evictd-trace\",\"version\":9}\n").unwrap();
    let unknown_version =
        format!("{}:1:1: field version: unknown version 9; allowed: 1", bad.text());
    let cases: [(&[&str], &str); 5] = [
        (&["replay", bad.text()], &unknown_version),
        (&["rank", "--signal", "nodefs.available", "--from", bad.text()], &unknown_version),
        (&["replay", "/nonexistent/t.jsonl"], "/nonexistent/t.jsonl"),
        (&["rank", "--signal", "disk.free", "--config", "/c"], "allowed: memory.available, alloc"),
        (&["rank", "--signal", "pid.available"], "--config"),
    ];
    for (args, wanted) in cases {
        let output = evictd(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(wanted), "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
