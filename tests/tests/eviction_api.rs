//! Soft evictions as a real API server answers them. No controller runs here, so the test writes the
//! status of disruption budgets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{path::Path, time::Duration};

use evictd::cluster::{
    ClusterArgs, Connection, Stop,
    evict::{Answered, Evictor, Request},
};
use evictd_core::{EvictionId, Outcome, RefusedReason};
use evictd_tests::control_plane::{Account, ControlPlane, Kubelet};
use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "shop";
const POD: &str = "web-0";

/// An evictor with its worker at work.
struct Agent {
    evictor: Evictor,
    asked: u64,
    _stop: watch::Sender<bool>,
}

impl Agent {
    fn start(kubeconfig: &Path) -> Self {
        let args = ClusterArgs {
            kubeconfig: Some(kubeconfig.to_owned()),
            node_name: Some("n1".to_owned()),
            ..ClusterArgs::default()
        };
        let connection = Connection::open(&args).unwrap();
        let (_stop, requested) = Stop::channel();
        let (evictor, worker) = Evictor::new();
        tokio::spawn(worker.run(connection, requested));
        Self { evictor, asked: 0, _stop }
    }

    async fn evict(&mut self, uid: &str) -> Answered {
        self.asked += 1;
        let id = EvictionId(self.asked);
        let grace = Duration::from_secs(7);
        let (namespace, name) = (NAMESPACE.into(), POD.into());
        assert!(self.evictor.ask(Request { id, namespace, name, uid: uid.into(), grace }));
        let answered = timeout(PATIENCE, self.evictor.answered()).await;
        let answered = answered.expect("in time").expect("an answer");
        assert_eq!(answered.id, id);
        answered
    }
}

/// A pod that runs, and its UID.
async fn running_pod(client: &Client) -> String {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let pod = json!({
        "metadata": {"name": POD, "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let made = pods.create(&PostParams::default(), &pod).await.unwrap();
    let status = json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    pods.patch_status(POD, &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
    made.metadata.uid.unwrap()
}

async fn budget(client: &Client) {
    let budget = json!({
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    let budget: PodDisruptionBudget = serde_json::from_value(budget).unwrap();
    let budgets = Api::namespaced(client.clone(), NAMESPACE);
    budgets.create(&PostParams::default(), &budget).await.unwrap();
}

/// As the controller-manager writes it.
async fn allow(client: &Client, disruptions: i32) {
    let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), NAMESPACE);
    let status: Value = json!({"status": {
        "observedGeneration": 1,
        "disruptionsAllowed": disruptions,
        "currentHealthy": 1 + disruptions,
        "desiredHealthy": 1,
        "expectedPods": 1 + disruptions,
    }});
    budgets.patch_status("web", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

fn refused(answered: &Answered) -> RefusedReason {
    if let Outcome::Refused { reason, .. } = answered.outcome {
        reason
    } else {
        panic!("{answered:?}")
    }
}

/// For how long a budget keeps the pod from being asked for.
fn disruption(answered: &Answered) -> Duration {
    if let RefusedReason::Disruption { retry_after } = refused(answered) {
        retry_after
    } else {
        panic!("{answered:?}")
    }
}

#[test]
fn what_the_api_server_says_to_a_soft_eviction() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    Kubelet::register(&plane, "n1").unwrap();
    plane.namespace(NAMESPACE).unwrap();
    let stranger = plane.kubeconfig_for(Account::new("evictd", "nobody")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = plane.admin().unwrap();
        let uid = running_pod(&client).await;
        let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
        let mut agent = Agent::start(plane.admin_kubeconfig());

        let other = agent.evict("00000000-0000-0000-0000-000000000000").await;
        assert_eq!(
            refused(&other),
            RefusedReason::Gone,
            "made anew under the same name: {other:?}"
        );
        assert_eq!(pods.get(POD).await.unwrap().metadata.deletion_timestamp, None);

        let forbidden = Agent::start(&stranger).evict(&uid).await;
        assert!(matches!(refused(&forbidden), RefusedReason::Unanswered { .. }));
        let detail = forbidden.detail.unwrap();
        assert!(detail.contains("`create` on `pods/eviction`"), "{detail}");
        assert_eq!(forbidden.attempts, 1, "asking again is in vain");

        budget(&client).await;
        let unprocessed = agent.evict(&uid).await;
        assert!(disruption(&unprocessed) >= Duration::from_secs(10), "{unprocessed:?}");
        allow(&client, 0).await;
        let exhausted = agent.evict(&uid).await;
        assert!(disruption(&exhausted) >= Duration::from_secs(20), "again: {exhausted:?}");
        let detail = exhausted.detail.unwrap();
        assert!(detail.contains("disruption budget"), "{detail}");
        assert_eq!(pods.get(POD).await.unwrap().metadata.deletion_timestamp, None);

        allow(&client, 1).await;
        let accepted = agent.evict(&uid).await;
        assert!(matches!(accepted.outcome, Outcome::Accepted { .. }), "{accepted:?}");
        let ending = pods.get(POD).await.unwrap();
        assert_eq!(ending.metadata.deletion_grace_period_seconds, Some(7));
        let conditions = ending.status.unwrap().conditions.unwrap();
        let target = conditions.iter().find(|condition| condition.type_ == "DisruptionTarget");
        assert_eq!(target.unwrap().reason.as_deref(), Some("EvictionByEvictionAPI"));

        let again = agent.evict(&uid).await;
        assert!(matches!(again.outcome, Outcome::Accepted { .. }), "on its way: {again:?}");
        pods.delete(POD, &DeleteParams::default().grace_period(0)).await.unwrap();
        assert_eq!(refused(&agent.evict(&uid).await), RefusedReason::Gone);
    });
}

#[test]
fn an_api_server_that_is_away_is_said_to_be() {
    let Some(plane) = ControlPlane::start_unless_left_out().unwrap() else { return };
    plane.namespace(NAMESPACE).unwrap();
    // The API server is stopped and started outside of the runtime, which it would hold up.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (uid, mut agent) = runtime.block_on(async {
        let uid = running_pod(&plane.admin().unwrap()).await;
        (uid, Agent::start(plane.admin_kubeconfig()))
    });
    plane.kill_apiserver().unwrap();
    let away = runtime.block_on(agent.evict(&uid));
    assert!(matches!(refused(&away), RefusedReason::Unanswered { .. }), "{away:?}");
    assert!(away.attempts > 1);
    assert!(away.detail.unwrap().contains("cannot connect"));
    plane.start_apiserver().unwrap();
    let back = runtime.block_on(agent.evict(&uid));
    assert!(matches!(back.outcome, Outcome::Accepted { .. }), "{back:?}");
}
