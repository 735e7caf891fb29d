//! evictd's own conditions and taints on a Node of a real API server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use evictd::{
    clock::now,
    cluster::{
        ClusterArgs, Connection, Stop,
        node::{NodeReporter, Reporting},
    },
};
use evictd_core::{NodeCondition, NodeConditions, Signal};
use evictd_tests::control_plane::{Account, ControlPlane, Kubelet};
use k8s_openapi::api::{
    core::v1::{Node, Taint},
    events::v1::Event,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const NODE: &str = "n1";
const ALL: Reporting = Reporting { conditions: true, taints: true, events: true };
const MEMORY: NodeCondition = NodeCondition::MemoryPressure;
const CLEAR: NodeConditions = NodeConditions([false; 3]);
const PRESSED: NodeConditions = NodeConditions([true, false, false]);

/// A reporter with its worker at work.
struct Agent {
    reporter: NodeReporter,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
}

impl Agent {
    fn start(kubeconfig: &std::path::Path, reporting: Reporting) -> Self {
        let args = ClusterArgs {
            kubeconfig: Some(kubeconfig.to_owned()),
            node_name: Some(NODE.to_owned()),
            ..ClusterArgs::default()
        };
        let connection = Connection::open(&args).unwrap();
        let (stop, requested) = Stop::channel();
        let (reporter, worker) = NodeReporter::new(reporting);
        Self { reporter, stop, worker: tokio::spawn(worker.run(connection, requested)) }
    }

    /// As SIGKILL does.
    fn die(self) {
        self.worker.abort();
    }

    async fn end(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.worker).await.expect("ends in time").unwrap();
    }
}

/// A control plane that has the node.
fn plane() -> Option<Arc<ControlPlane>> {
    let plane = ControlPlane::start_unless_left_out().unwrap()?;
    Kubelet::register(&plane, NODE).unwrap();
    Some(plane)
}

/// Runs `test` with one.
fn with_node(test: impl AsyncFnOnce(&ControlPlane, Client)) {
    if let Some(plane) = plane() {
        on(&plane, test);
    }
}

fn on(plane: &ControlPlane, test: impl AsyncFnOnce(&ControlPlane, Client)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = plane.admin().unwrap();
        test(plane, client).await;
    });
}

/// Waits until the node is as `is` says.
async fn wait_node(client: &Client, what: &str, is: impl Fn(&Node) -> bool) -> Node {
    let nodes = Api::<Node>::all(client.clone());
    let is = |node: Option<&Node>| node.is_some_and(&is);
    let seen = timeout(PATIENCE, await_condition(nodes.clone(), NODE, is)).await;
    match seen {
        Ok(node) => node.unwrap().expect("a node"),
        Err(_) => panic!("{what} is waited for; the node is {:#?}", nodes.get(NODE).await),
    }
}

fn taints(node: &Node) -> Vec<String> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    taints.into_iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect()
}

/// Own conditions with their status and the time of their last transition.
fn own(node: &Node) -> Vec<(String, String, String)> {
    let conditions = node.status.clone().and_then(|status| status.conditions).unwrap_or_default();
    let own = conditions.into_iter().filter(|condition| condition.type_.starts_with("evictd.dev/"));
    let own = own.map(|condition| {
        let since = condition.last_transition_time.map(|time| time.0.to_string());
        assert!(condition.last_heartbeat_time.is_some());
        let name = condition.type_.replace("evictd.dev/", "");
        (name, condition.status, since.unwrap_or_default())
    });
    own.collect()
}

fn statuses(node: &Node) -> Vec<String> {
    own(node).into_iter().map(|(name, status, _)| format!("{name}={status}")).collect()
}

fn since(node: &Node, name: &str) -> String {
    own(node).into_iter().find(|(own, ..)| own == name).map(|(.., since)| since).unwrap()
}

const ALL_CLEAR: [&str; 3] = ["MemoryPressure=False", "DiskPressure=False", "PIDPressure=False"];
const MEMORY_PRESSED: [&str; 3] =
    ["MemoryPressure=True", "DiskPressure=False", "PIDPressure=False"];
const OWN_TAINT: &str = "evictd.dev/memory-pressure:NoSchedule";

/// What others wrote on the node, which is to stay as it is.
async fn others_marks(client: &Client) {
    let nodes = Api::<Node>::all(client.clone());
    let taint = json!({"spec": {"taints": [
        {"key": "example.com/own", "effect": "NoExecute", "value": "v"},
    ]}});
    nodes.patch(NODE, &PatchParams::default(), &Patch::Merge(taint)).await.unwrap();
    let status = json!({"status": {"conditions": [
        {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory"},
    ]}});
    nodes.patch_status(NODE, &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
}

fn others(node: &Node) -> String {
    let conditions = node.status.clone().and_then(|status| status.conditions).unwrap_or_default();
    let mut others: Vec<_> =
        conditions.into_iter().filter(|c| !c.type_.starts_with("evictd.dev/")).collect();
    others.sort_by(|a, b| a.type_.cmp(&b.type_));
    let taints = node.spec.clone().and_then(|spec| spec.taints).unwrap_or_default();
    let taints: Vec<Taint> =
        taints.into_iter().filter(|t| !t.key.starts_with("evictd.dev/")).collect();
    format!("{others:?} {taints:?}")
}

#[test]
fn conditions_and_taints_come_go_and_are_withdrawn() {
    with_node(async |plane, client| {
        others_marks(&client).await;
        let before = wait_node(&client, "the node", |_| true).await;
        let agent = Agent::start(plane.admin_kubeconfig(), ALL);
        agent.reporter.confirm(CLEAR, now());
        let clear = wait_node(&client, "conditions", |node| statuses(node) == ALL_CLEAR).await;
        assert_eq!(taints(&clear), ["example.com/own:NoExecute"]);

        agent.reporter.set(MEMORY, true, now());
        agent.reporter.threshold_met(Signal::MemoryAvailable);
        let pressed = wait_node(&client, "pressure", |node| {
            statuses(node) == MEMORY_PRESSED && taints(node).contains(&OWN_TAINT.to_owned())
        });
        let pressed = pressed.await;
        assert_eq!(since(&pressed, "DiskPressure"), since(&clear, "DiskPressure"));
        agent.reporter.confirm(PRESSED, now());

        agent.reporter.set(MEMORY, false, now());
        let over = wait_node(&client, "the end of it", |node| {
            statuses(node) == ALL_CLEAR && taints(node).len() == 1
        });
        over.await;
        wait_event(&client, "EvictionThresholdMet", "Attempting to reclaim memory").await;
        wait_event(
            &client,
            "NodeHasSufficientMemory",
            "Node n1 status is now: NodeHasSufficientMemory",
        )
        .await;

        agent.reporter.set(MEMORY, true, now());
        wait_node(&client, "pressure again", |node| taints(node).len() == 2).await;
        agent.end().await;
        let after = wait_node(&client, "the node", |_| true).await;
        assert_eq!(own(&after), []);
        assert_eq!(others(&after), others(&before), "others' words were changed");
    });
}

async fn wait_event(client: &Client, reason: &str, note: &str) {
    let events = Api::<Event>::namespaced(client.clone(), "default");
    let wait = async {
        loop {
            let all = events.list(&ListParams::default()).await.unwrap();
            let is_meant = |event: &Event| {
                let about = event.regarding.clone().unwrap_or_default();
                event.reason.as_deref() == Some(reason)
                    && event.note.as_deref() == Some(note)
                    && (about.kind.as_deref(), about.name.as_deref()) == (Some("Node"), Some(NODE))
            };
            if all.items.iter().any(is_meant) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no Event {reason}: {note}"));
}

#[test]
fn what_a_dead_agent_left_is_put_right_by_the_next() {
    with_node(async |plane, client| {
        let first = Agent::start(plane.admin_kubeconfig(), ALL);
        first.reporter.confirm(PRESSED, now());
        let is_marked =
            |node: &Node| statuses(node) == MEMORY_PRESSED && taints(node) == [OWN_TAINT];
        let left = wait_node(&client, "pressure", is_marked).await;
        first.die();

        // Nothing is changed before the node was looked at.
        let second = Agent::start(plane.admin_kubeconfig(), ALL);
        second.reporter.confirm(PRESSED, now());
        let nodes = Api::<Node>::all(client.clone());
        let forced = json!({"status": {"conditions": [
            {"type": "evictd.dev/DiskPressure", "status": "True"},
        ]}});
        nodes.patch_status(NODE, &PatchParams::default(), &Patch::Strategic(forced)).await.unwrap();
        second.reporter.set(NodeCondition::PidPressure, true, now());
        let kept = wait_node(&client, "pids", |node| taints(node).len() == 2).await;
        assert_eq!(
            since(&kept, "MemoryPressure"),
            since(&left, "MemoryPressure"),
            "still the same"
        );
        second.die();

        let third = Agent::start(plane.admin_kubeconfig(), ALL);
        third.reporter.confirm(CLEAR, now());
        let is_clear = |node: &Node| statuses(node) == ALL_CLEAR && taints(node).is_empty();
        wait_node(&client, "the end of stale marks", is_clear).await;
        third.die();

        // A configuration without them takes them away.
        let none = Reporting { conditions: false, taints: false, events: false };
        let fourth = Agent::start(plane.admin_kubeconfig(), Reporting { events: true, ..none });
        fourth.reporter.confirm(PRESSED, now());
        wait_node(&client, "no marks", |node| own(node).is_empty()).await;
        fourth.end().await;
    });
}

#[test]
fn observing_touches_nothing() {
    with_node(async |plane, client| {
        let agent = Agent::start(plane.admin_kubeconfig(), Reporting::NOTHING);
        let before = wait_node(&client, "the node", |_| true).await;
        agent.reporter.confirm(PRESSED, now());
        agent.reporter.threshold_met(Signal::MemoryAvailable);
        agent.end().await;
        let after = wait_node(&client, "the node", |_| true).await;
        assert_eq!(after.metadata.resource_version, before.metadata.resource_version);

        // Told to observe from now on, it takes away what it wrote.
        let agent = Agent::start(plane.admin_kubeconfig(), ALL);
        agent.reporter.confirm(PRESSED, now());
        wait_node(&client, "pressure", |node| taints(node) == [OWN_TAINT]).await;
        agent.reporter.configure(Reporting::NOTHING);
        wait_node(&client, "no marks", |node| own(node).is_empty() && taints(node).is_empty())
            .await;
        agent.end().await;
    });
}

#[test]
fn taints_that_others_write_meanwhile_are_not_lost() {
    const ROUNDS: usize = 20;
    with_node(async |plane, client| {
        let agent = Agent::start(plane.admin_kubeconfig(), ALL);
        agent.reporter.confirm(CLEAR, now());
        wait_node(&client, "conditions", |node| statuses(node) == ALL_CLEAR).await;
        let nodes = Api::<Node>::all(client.clone());
        for round in 0..ROUNDS {
            agent.reporter.set(MEMORY, round % 2 == 0, now());
            loop {
                let mut node = nodes.get(NODE).await.unwrap();
                let spec = node.spec.get_or_insert_default();
                let key = format!("example.com/t{round}");
                let taint = Taint { key, effect: "NoSchedule".into(), ..Taint::default() };
                spec.taints.get_or_insert_default().push(taint);
                match nodes.replace(NODE, &PostParams::default(), &node).await {
                    Ok(_) => break,
                    Err(kube::Error::Api(status)) if status.is_conflict() => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        agent.reporter.set(MEMORY, true, now());
        let done = wait_node(&client, "the last pressure", |node| {
            taints(node).contains(&OWN_TAINT.to_owned()) && statuses(node) == MEMORY_PRESSED
        });
        assert_eq!(taints(&done.await).len(), ROUNDS + 1);
        agent.end().await;
        let after = wait_node(&client, "the node", |_| true).await;
        assert_eq!(taints(&after).len(), ROUNDS);
    });
}

#[test]
fn a_missing_permission_costs_only_what_it_is_for() {
    let Some(plane) = plane() else { return };
    let kubeconfig = plane.kubeconfig_for(Account::new("evictd", "no-taints")).unwrap();
    on(&plane, async |_plane, client| {
        let rules = [("get", "nodes"), ("patch", "nodes/status")];
        let rules = rules.map(
            |(verb, resource)| json!({"apiGroups": [""], "resources": [resource], "verbs": [verb]}),
        );
        let role = json!({"metadata": {"name": "no-taints"}, "rules": rules});
        let role: ClusterRole = serde_json::from_value(role).unwrap();
        let binding = json!({
            "metadata": {"name": "no-taints"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "no-taints"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "evictd", "name": "no-taints"}],
        });
        let binding: ClusterRoleBinding = serde_json::from_value(binding).unwrap();
        let params = PostParams::default();
        Api::all(client.clone()).create(&params, &role).await.unwrap();
        Api::all(client.clone()).create(&params, &binding).await.unwrap();
        let agent = Agent::start(&kubeconfig, ALL);
        agent.reporter.confirm(PRESSED, now());
        let pressed =
            wait_node(&client, "conditions", |node| statuses(node) == MEMORY_PRESSED).await;
        assert_eq!(taints(&pressed), [""; 0]);
        agent.end().await;
        let after = wait_node(&client, "the node", |_| true).await;
        assert_eq!(own(&after), []);
    });
}
