//! evictd at a real API server: how it gets its node's pods, and what it says where it cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use evictd_tests::{
    control_plane::{Account, ControlPlane, EXPIRED, Kubelet, NOT_YET_VALID},
    roster::CART as POD,
};
use serde_json::{Value, json};

/// How long evictd may take to notice (it asks less and less often).
const PATIENCE: Duration = Duration::from_secs(90);

const NODE: &str = "node-a";

/// What `evictd doctor` says of the pods, and its exit code.
fn doctor(kubeconfig: &Path, node: &str) -> (Value, Option<i32>) {
    let mut doctor = Command::new(common::evictd_binary());
    doctor.args(["doctor", "--json", "--require-api", "--node-name", node, "--kubeconfig"]);
    let output = doctor.arg(kubeconfig).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["pods"].clone(), output.status.code())
}

/// A copy of the administrator's kubeconfig with `change` made to it.
fn changed(plane: &ControlPlane, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let text = fs::read_to_string(plane.admin_kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    let path = plane.dir().join(format!("{name}.kubeconfig"));
    fs::write(&path, config.to_string()).unwrap();
    path
}

#[test]
fn bad_input_is_one_clear_error() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    Kubelet::register(&plane, NODE).unwrap().create_pod(&POD).unwrap();
    let (pods, _) = doctor(plane.admin_kubeconfig(), NODE);
    assert_eq!((&pods["listed"], &pods["problem"]), (&json!(1), &Value::Null));
    assert_eq!(pods["place"], plane.url());

    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let other_ca = plane.dir().join("other.crt");
    fs::write(&other_ca, other.cert.pem()).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = plane.kubeconfig_for(Account::new("kube-system", "nobody")).unwrap();
    let no_yaml = plane.dir().join("no.yaml");
    fs::write(&no_yaml, "{").unwrap();
    let user = |config: &mut Value, user: Value| config["users"][0]["user"] = user;
    let cluster = |config: &mut Value, key: &str, value: String| {
        config["clusters"][0]["cluster"][key] = value.into();
    };
    let admin = || plane.admin_kubeconfig().to_owned();
    let cases = [
        ("no file", plane.dir().join("none"), NODE, "No such file or directory"),
        ("no YAML", no_yaml, NODE, "failed to parse kubeconfig YAML"),
        (
            "no context",
            changed(&plane, "context", |c| c["current-context"] = "".into()),
            NODE,
            "context",
        ),
        (
            "refused token",
            changed(&plane, "token", |c| user(c, json!({"token": "wrong"}))),
            NODE,
            "does not accept the credentials (401",
        ),
        ("no role", nobody, NODE, "needs the verb `watch` on `pods`"),
        ("wrong node", admin(), "node-b", "has no node `node-b`; give --node-name"),
        ("no name", admin(), "Node A", "--node-name NAME"),
        (
            "unknown CA",
            changed(&plane, "ca", |c| {
                cluster(c, "certificate-authority", other_ca.display().to_string());
            }),
            NODE,
            "signed by an unknown authority",
        ),
        (
            "another's name",
            changed(&plane, "name", |c| cluster(c, "tls-server-name", "elsewhere".to_owned())),
            NODE,
            "no secure connection",
        ),
        (
            "a clock far behind",
            changed(&plane, "behind", |c| cluster(c, "tls-server-name", NOT_YET_VALID.to_owned())),
            NODE,
            "check its certificate, and the clocks of both",
        ),
        (
            "a clock far ahead",
            changed(&plane, "ahead", |c| cluster(c, "tls-server-name", EXPIRED.to_owned())),
            NODE,
            "check its certificate, and the clocks of both",
        ),
        (
            "refused connection",
            changed(&plane, "server", |c| cluster(c, "server", format!("https://{free}"))),
            NODE,
            "cannot connect to the API server at https://127.0.0.1:",
        ),
    ];
    for (name, kubeconfig, node, text) in cases {
        let (pods, code) = doctor(&kubeconfig, node);
        let problem = pods["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(text), "{name}: {pods}");
        assert_eq!(problem.lines().count(), 1, "{name}: {problem}");
        assert_eq!((code, &pods["listed"]), (Some(1), &Value::Null), "{name}");
    }
}

/// `evictd run` and its records.
struct Run {
    child: Child,
    records: Receiver<String>,
}

impl Run {
    fn start(dir: &Path, kubeconfig: &Path, more: &[&str]) -> Self {
        let config = dir.join("evictd.yaml");
        let logs = dir.join("logs");
        fs::create_dir_all(&logs).unwrap();
        let text = format!(
            "rootDirectory: {0}\npodLogsDir: {1}\ncgroupRoot: /evictd-cluster-test\nevictionHard: {{nodefs.available: 1Ki}}\n",
            dir.display(),
            logs.display()
        );
        fs::write(&config, text).unwrap();
        let mut run = Command::new(common::evictd_binary());
        run.args(["run", "--mode", "observe", "--node-name", NODE, "--kubeconfig"]).arg(kubeconfig);
        run.arg("--config").arg(config).arg("--socket").arg(dir.join("socket"));
        run.arg("--state-dir").arg(dir.join("state")).args(more);
        let mut child = run.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, records) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, records }
    }

    /// The next record that tells where the pods come from.
    fn pods(&mut self) -> Value {
        loop {
            let line = self.records.recv_timeout(PATIENCE).unwrap();
            let record: Value = serde_json::from_str(&line).unwrap();
            match record["record"].as_str() {
                Some("pods") => return record,
                Some("started") => return record["pods_from"].clone(),
                _ => {}
            }
        }
    }

    /// Waits until the API server tells the pods, or does not any longer.
    fn until(&mut self, api: &str) -> Value {
        loop {
            let pods = self.pods();
            if pods["api"] == api {
                return pods;
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pods_outlive_the_api_server() {
    let _alone = common::alone();
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let kubelet = Kubelet::register(&plane, NODE).unwrap();
    kubelet.create_pod(&POD).unwrap();
    plane.stop_apiserver().unwrap();

    // The API server is away at start: that is said, and evictd goes on.
    let mut run = Run::start(plane.dir(), plane.admin_kubeconfig(), &[]);
    let unknown = run.until("unknown");
    assert_eq!(unknown["listed"], 0);
    assert!(unknown["error"].as_str().unwrap().contains("cannot connect"), "{unknown}");
    plane.start_apiserver().unwrap();
    assert_eq!(run.until("known")["listed"], 1);

    // It goes away: the pods stay as they were known.
    plane.kill_apiserver().unwrap();
    assert_eq!(run.until("stale")["listed"], 1);
    plane.start_apiserver().unwrap();
    assert_eq!(run.until("known")["listed"], 1);
    drop(run);

    // And as an earlier evictd knew them, however that ended.
    plane.stop_apiserver().unwrap();
    let mut run = Run::start(plane.dir(), plane.admin_kubeconfig(), &[]);
    assert_eq!(run.until("remembered")["listed"], 1);
    plane.start_apiserver().unwrap();
    assert_eq!(run.until("known")["listed"], 1);
    plane.stop_apiserver().unwrap();
    assert_eq!(run.until("stale")["listed"], 1);
}

#[test]
fn a_required_api_server_ends_evictd_at_start() {
    let _alone = common::alone();
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    let missing = plane.dir().join("none");
    let token = changed(&plane, "token", |c| c["users"][0]["user"] = json!({"token": "wrong"}));
    let name = changed(&plane, "name", |c| {
        c["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere".into();
    });
    // This node is not registered.
    let cases = [
        ("node", plane.admin_kubeconfig(), 1),
        ("token", &*token, 1),
        ("certificate", &*name, 1),
        ("file", &*missing, 2),
    ];
    for (name, kubeconfig, code) in cases {
        let mut run = Run::start(plane.dir(), kubeconfig, &["--require-api"]);
        assert_eq!(run.child.wait().unwrap().code(), Some(code), "{name}");
    }
}
