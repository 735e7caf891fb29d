//! `evictd top`: who writes, forks and logs is in the right row, with probes of its own and through a
//! running evictd's socket; nobody else is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use evictd_tests::{
    evictd::{self, Evictd, Options},
    inbox::{Event, Inbox},
    node::Node,
    runtime::{Reply, SERVICE, wait_reply},
    session::Session,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// What the offenders do a second where the machine lets them, and far more than anybody else.
const FILE_RATE: u64 = 4_000_000;
const LOG_RATE_MIB: u64 = 4;
/// Nobody else writes this much, or forks this often; an offender does even on a busy machine.
const INNOCENT_BYTES: u64 = 100_000;
const INNOCENT_FORKS: f64 = 5.0;

fn top(args: &[&str]) -> Command {
    let mut command = Command::new(common::evictd_binary());
    command.arg("top").args(args);
    command
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rows(snapshot: &Value) -> &Vec<Value> {
    snapshot["rows"].as_array().unwrap()
}

fn name(row: &Value) -> String {
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    match row["kind"].as_str().unwrap() {
        "container" => format!("{}/{}/{}", text("namespace"), text("pod"), text("container")),
        "pod" => format!("{}/{}", text("namespace"), text("pod")),
        "cgroup" => text("path"),
        kind => kind.to_owned(),
    }
}

/// Containers (and nothing else) whose figure is at least `least`.
fn containers_with(snapshot: &Value, figure: &str, least: f64) -> Vec<String> {
    let containers = rows(snapshot).iter().filter(|row| row["kind"] == "container");
    containers.filter(|row| row[figure].as_f64().unwrap_or(0.0) >= least).map(name).collect()
}

/// One container writes files, one its log, one forks.
fn start_offenders(session: &mut Session) {
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let position = session.position("batch/report").unwrap();
    let uid = session.pods()[position].uid().to_owned();
    let volume = "volumes/kubernetes.io~empty-dir/data";
    let dir = session.node().kubelet_dir().join("pods").join(uid).join(volume).join("worker");
    std::fs::create_dir(&dir).unwrap();
    let dir = dir.display();
    let file = format!("steady-writer --log-rate 0 --rate {FILE_RATE} --dir {dir}");
    session.start_worker("batch/report", &words(file)).unwrap();
    let forks = "fork-exactly --count 100000000".to_owned();
    session.start_worker("ci/runner", &words(forks)).unwrap();
    let from = session.inbox().mark();
    let log = format!("log-writer --rate {LOG_RATE_MIB} --max-mib 160");
    let log = session.start_worker("shop/checkout", &words(log)).unwrap();
    let first = |reply: &Reply| matches!(reply, Reply::FirstLine { .. }).then_some(());
    wait_reply(session.inbox(), from, "a first line", &log, first).unwrap();
}

fn assert_offenders(snapshot: &Value, system: &Path) {
    let least = f64::from(u32::try_from(INNOCENT_BYTES).unwrap());
    assert_eq!(
        containers_with(snapshot, "write_bytes_per_second", least),
        ["batch/report/worker"],
        "{snapshot:#}"
    );
    assert_eq!(
        containers_with(snapshot, "log_bytes_per_second", least),
        ["shop/checkout/worker"],
        "{snapshot:#}"
    );
    assert_eq!(
        containers_with(snapshot, "forks_per_second", INNOCENT_FORKS),
        ["ci/runner/worker"],
        "{snapshot:#}"
    );
    // Eight pods with a container each, three with two.
    assert_eq!(containers_with(snapshot, "tasks", 1.0).len(), 8 + 3, "{snapshot:#}");
    let row = |wanted: &str| rows(snapshot).iter().find(|row| name(row) == wanted).unwrap();
    // No faster than it was told to be; how much slower is the machine's affair.
    let written = row("batch/report/worker")["write_bytes_per_second"].as_u64().unwrap();
    assert!(written < FILE_RATE * 12 / 10, "{written}");
    let log = row("shop/checkout/worker");
    let missing = snapshot["missing"].as_array().unwrap();
    if missing.iter().all(|missing| missing["columns"][0] != "growth") {
        assert!(log["growth_bytes_per_second"].as_i64().unwrap() >= INNOCENT_BYTES as i64, "{log}");
    }
    assert_eq!((log["qos"].as_str(), log["priority"].as_i64()), (Some("Guaranteed"), Some(1000)));
    assert!(log["memory_working_set"].as_u64().unwrap() > 0);
    // The bytes of the log are the runtime's own writes: named as such, by its cgroup.
    let runtime = row(&format!("/{}/{SERVICE}", system.display()));
    assert_eq!(runtime["role"], "runtime");
    assert!(runtime["write_bytes_per_second"].as_u64().unwrap() >= INNOCENT_BYTES);
    assert_eq!(runtime["log_bytes_per_second"], Value::Null);

    let signals = snapshot["node"]["signals"].as_array().unwrap();
    let nodefs = signals.iter().find(|signal| signal["signal"] == "nodefs.available").unwrap();
    assert_eq!(nodefs["thresholds"][0]["quantity"], evictd::DISK_THRESHOLD_MIB << 20);
    assert_eq!(nodefs["thresholds"][0]["met"], false);
    assert!(nodefs["used_per_second"].as_u64().is_some());
}

#[test]
fn who_writes_forks_and_logs_is_in_its_row_and_nobody_else_is() {
    let _alone = common::alone();
    let options = Options::new(&common::evictd_binary(), "observe");
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    start_offenders(&mut session);
    let system = session.node().system().relative().to_owned();
    let socket = evictd::socket(session.node());
    let asked = |args: &[&str]| top(args).arg("--socket").arg(&socket).output().unwrap();

    common::wait_until("a rate of the new container's log is known", || {
        let snapshot = json(&asked(&["--once", "--json", "--interval", "100ms"]));
        let worker = rows(&snapshot).iter().find(|row| name(row) == "shop/checkout/worker");
        worker.is_some_and(|row| row["log_bytes_per_second"].as_u64().is_some())
    });
    let through_agent = json(&asked(&["--once", "--json"]));
    assert_eq!(through_agent["source"]["kind"], "agent");
    assert_eq!(through_agent["source"]["pid"], session.evictd_pid());
    assert_eq!(through_agent["source"]["mode"], "observe");
    let conditions = &through_agent["node"]["conditions"];
    assert_eq!(conditions, &Value::Array(Vec::new()), "{:#}", through_agent["node"]);
    assert_offenders(&through_agent, &system);

    let dir = session.node().dir().to_owned();
    let own = || {
        let mut command = top(&["--once", "--json", "--interval", "2s", "--socket"]);
        command.arg(dir.join("nobody.sock")).arg("--config").arg(dir.join("evictd.yaml"));
        command.arg("--pods").arg(session.node().manifests_dir());
        command
    };
    let with_own_probes = json(&own().output().unwrap());
    assert_eq!(with_own_probes["source"]["kind"], "own_probes");
    assert_eq!(with_own_probes["node"]["conditions"], Value::Null, "nobody evaluates");
    assert_offenders(&with_own_probes, &system);

    // Sorted, filtered, cut; as text, and as one object an interval.
    let few =
        json(&asked(&["--once", "--json", "--filter", "SHOP/", "--sort", "log", "--top", "1"]));
    assert_eq!(rows(&few).iter().map(name).collect::<Vec<_>>(), ["shop/checkout/worker"]);
    let lines = asked(&["--json", "--count", "2", "--interval", "200ms"]).stdout;
    assert_eq!(lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 2);
    let text = String::from_utf8(asked(&["--once", "--sort", "forks"]).stdout).unwrap();
    let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("CONTAINER")).collect();
    assert!(table[1].starts_with("ci/runner/worker "), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");

    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert!(!socket.exists(), "left behind: {}", socket.display());
}

#[test]
fn without_the_right_to_load_probes_the_rest_is_shown_and_the_reason() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-bpf,-sys_admin,-perfmon"]);
    command.args(["--inh-caps", "-bpf,-sys_admin,-perfmon"]).arg(common::evictd_binary());
    command.args(["top", "--once", "--json", "--interval", "100ms", "--socket"]);
    let output = match command.arg(node.dir().join("nobody.sock")).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("cannot run here: setpriv is not installed");
            return;
        }
        output => output.unwrap(),
    };
    let snapshot = json(&output);
    let missing = snapshot["missing"].as_array().unwrap();
    let writes = missing.iter().find(|missing| missing["columns"][0] == "write").unwrap();
    let reason = writes["reason"].as_str().unwrap();
    assert!(reason.starts_with("no writes probe: cannot load the BPF maps"), "{reason}");
    assert!(!rows(&snapshot).is_empty());
    let rates = ["write_bytes_per_second", "forks_per_second"];
    assert!(rows(&snapshot).iter().all(|row| rates.iter().all(|rate| row[rate].is_null())));
}

#[test]
fn bad_input_ends_with_two() {
    for args in [
        &["--interval", "5"][..],
        &["--sort", "size"],
        &["--once", "--count", "2"],
        &["--once", "--socket", "/missing/s", "--config", "/missing/evictd.yaml"],
        &["--once", "--socket", "/missing/s", "--pods", "/missing/pods"],
    ] {
        assert_eq!(top(args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
}

/// A node with an evictd and no pods.
struct Watched {
    evictd: Evictd,
    inbox: Inbox,
    node: Node,
}

impl Watched {
    fn start() -> Self {
        let node = Node::create().unwrap();
        let mut inbox = Inbox::default();
        let cgroup = node.system().child("evictd").unwrap();
        let evictd = Evictd::start(&node, &cgroup, &mut inbox, &Self::options()).unwrap();
        Self { evictd, inbox, node }
    }

    fn options() -> Options {
        Options::new(&common::evictd_binary(), "observe")
    }

    fn socket(&self) -> PathBuf {
        evictd::socket(&self.node)
    }

    /// One line there, one line back.
    fn say(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        writeln!(stream, "{line}").unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        reply
    }
}

#[test]
fn a_second_evictd_says_so_and_ends_a_dead_ones_socket_is_replaced() {
    let _alone = common::alone();
    let Watched { evictd, mut inbox, node } = Watched::start();
    let mut second = Command::new(common::evictd_binary());
    second.args(["run", "--mode", "observe", "--config"]).arg(node.dir().join("evictd.yaml"));
    second.arg("--pods").arg(node.manifests_dir());
    let second = second.arg("--socket").arg(evictd::socket(&node)).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    let expected = format!("another evictd (process {}) answers at ", evictd.pid());
    assert!(said.contains(&expected), "{said}");
    assert!(second.stdout.is_empty(), "it never started");

    let from = inbox.mark();
    let pid = Pid::from_raw(i32::try_from(evictd.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    inbox
        .wait(from, std::time::Duration::from_secs(20), "the end", |event| {
            matches!(event, Event::EvictdEnded).then_some(())
        })
        .unwrap();
    drop(evictd);
    assert!(evictd::socket(&node).exists(), "it was killed");
    let mut inbox = Inbox::default();
    let cgroup = node.system().at("evictd");
    let evictd = Evictd::start(&node, &cgroup, &mut inbox, &Watched::options()).unwrap();
    let watched = Watched { evictd, inbox, node };
    assert!(watched.say(r#"{"request":"state"}"#).starts_with(r#"{"state":"#));
}

#[test]
fn clients_that_are_stuck_or_talk_nonsense_hinder_nobody() {
    let _alone = common::alone();
    let watched = Watched::start();
    for nonsense in ["", "hello", r#"{"request":"evict","pod":"shop/cart"}"#] {
        let reply = watched.say(nonsense);
        assert!(reply.starts_with(r#"{"error":"no such request: "#), "{nonsense}: {reply}");
    }
    // As many as are heard at once: all say nothing.
    let stuck: Vec<UnixStream> =
        (0..4).map(|_| UnixStream::connect(watched.socket()).unwrap()).collect();
    for mut client in stuck {
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "dropped");
    }
    assert!(watched.say(r#"{"request":"state"}"#).starts_with(r#"{"state":"#));
    let Watched { evictd, mut inbox, node: _node } = watched;
    assert!(evictd.stop(&mut inbox).unwrap().status.success());
}
