//! The kubelet tells the pods and its thresholds while nobody is at the API server's address.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, path::Path, time::Duration};

use evictd_tests::{
    evictd::{Cluster, Options},
    http::free_address,
    inbox::Inbox,
    kind::Kind,
    kubelet_port::{BROKEN_OFF, KubeletPort, Says},
    node::Node,
    record::Record,
    session::Session,
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);
const NODE: &str = "node-a";
const TOKEN: &str = "the-token";

/// How to run evictd in a cluster whose API server is away, beside that kubelet.
fn options(dir: &Path, mode: &'static str, kubelet: &KubeletPort) -> Options {
    let nobody = format!("https://{}", free_address().unwrap());
    let kubeconfig = dir.join("kubeconfig");
    let written = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": nobody}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    fs::write(&kubeconfig, written.to_string()).unwrap();
    let mut options = Options::new(&common::evictd_binary(), mode);
    options.cluster = Some(Cluster { kubeconfig, node: NODE.to_owned() });
    options.more_args = vec!["--kubelet-url".to_owned(), kubelet.url()];
    options
}

fn with_ca(mut options: Options, certificate: &Path) -> Options {
    options.more_args.extend(["--kubelet-ca".to_owned(), certificate.display().to_string()]);
    options
}

#[test]
fn pods_and_thresholds_are_the_kubelets_while_the_api_server_is_away() {
    let _alone = common::alone();
    let node = Node::with_logs(false).unwrap();
    let configuration = json!({
        "evictionSoft": {"memory.available": "1Mi"}, "ofANewerKubelet": {"a": [1]},
        "evictionSoftGracePeriod": {"memory.available": "1m0s"}, "syncFrequency": "1m0s",
    });
    let says = Says::All(node.manifests_dir(), configuration);
    let kubelet = KubeletPort::open(node.dir(), NODE, says).unwrap();
    let options = with_ca(options(node.dir(), "enforce", &kubelet), kubelet.certificate());
    let mut session = Session::start_on(node, Inbox::default(), &options).unwrap();

    let known = session.inbox().wait_record(0, PATIENCE, "the kubelet's pods", |record| {
        let Record::Pods(from) = record else { return None };
        (from.api.as_deref() == Some("kubelet")).then(|| from.clone())
    });
    let known = known.unwrap_or_else(|e| panic!("{e}\n{}", session.log_tail()));
    assert_eq!(known.listed, 8, "{known:?}");
    assert!(
        known.error.as_ref().is_some_and(|error| error.contains("cannot connect")),
        "{known:?}"
    );

    let applied = session.inbox().wait_record(0, PATIENCE, "its thresholds", |record| {
        let Record::Config { outcome, detail } = record else { return None };
        Some((outcome.clone(), detail.clone()))
    });
    assert_eq!(applied.unwrap(), ("applied".to_owned(), "changed: policy".to_owned()));

    let from = session.inbox().mark();
    let kind = Kind::ForkBomb;
    session.start_worker(kind.offender(), &kind.workload()).unwrap();
    let killed = session.inbox().wait_record(from, PATIENCE, "a kill", |record| {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    });
    let killed = killed.unwrap_or_else(|e| panic!("{e}\n{}", session.log_tail()));
    let victim = format!("{}/{}", killed.namespace, killed.pod);
    assert_eq!((&*victim, &*killed.outcome), (kind.offender(), "killed"), "{:#?}", killed.rank);

    let asked = kubelet.wait("GET /pods", 1, PATIENCE).unwrap();
    for (request, authorization) in asked {
        assert!(["GET /pods", "GET /configz"].contains(&&*request), "{request}");
        assert_eq!(authorization, Some(format!("Bearer {TOKEN}")), "{request}");
    }
}

#[test]
fn what_the_kubelet_refuses_is_named_with_what_it_needs() {
    let _alone = common::alone();
    let node = Node::with_logs(false).unwrap();
    let kubelet = KubeletPort::open(node.dir(), NODE, Says::Nothing).unwrap();
    let options = with_ca(options(node.dir(), "observe", &kubelet), kubelet.certificate());
    let session = Session::start_on(node, Inbox::default(), &options).unwrap();
    // The second time it has heard of the first.
    kubelet.wait("GET /pods", 2, PATIENCE).unwrap();
    kubelet.wait("GET /configz", 2, PATIENCE).unwrap();
    let log = fs::read_to_string(session.log()).unwrap();
    for (path, resource) in [("/pods", "nodes/pods"), ("/configz", "nodes/configz")] {
        let told = format!("the kubelet at {} does not tell {path}: ", kubelet.url());
        let line = log.lines().filter(|line| line.contains(&told)).collect::<Vec<_>>();
        assert_eq!(line.len(), 1, "told once: {log}");
        assert!(line[0].contains("403"), "{}", line[0]);
        assert!(line[0].contains(&format!("needs the verb `get` on `{resource}`")), "{}", line[0]);
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn who_is_not_the_kubelet_gets_no_token() {
    let _alone = common::alone();
    let node = Node::with_logs(false).unwrap();
    // Its certificate is for another node, though the right one has signed it.
    let says = Says::All(node.manifests_dir(), json!({}));
    let kubelet = KubeletPort::open(node.dir(), "node-b", says).unwrap();
    let options = with_ca(options(node.dir(), "observe", &kubelet), kubelet.certificate());
    let session = Session::start_on(node, Inbox::default(), &options).unwrap();
    let seen = kubelet.wait(BROKEN_OFF, 3, PATIENCE).unwrap();
    assert!(
        seen.iter().all(|(request, token)| request == BROKEN_OFF && token.is_none()),
        "{seen:?}"
    );
    let log = fs::read_to_string(session.log()).unwrap();
    assert!(log.contains("certificate not valid for name \"node-a\""), "{log}");
    assert!(session.stop().unwrap().status.success());
}
