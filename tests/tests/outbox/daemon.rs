//! evictd itself: kills first, tells afterwards, also after a crash.

use std::{fs, path::Path, sync::Arc, time::Duration};

use evictd_tests::{
    container::{Container, Placement},
    control_plane::{ControlPlane, Kubelet},
    evictd::{Cluster, Evictd, Options},
    inbox::Inbox,
    kind::Kind,
    manifest::{Identity, PodSpec, Qos, StorageLimits},
    node::Node,
    pod::Pod,
    record::{PodsFrom, Record, Told},
    runtime::Runtime,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{NODE, common, events};

const PATIENCE: Duration = Duration::from_secs(40);

/// May hold 4 MiB in its emptyDir.
const LIMITED: PodSpec = PodSpec {
    namespace: "shop",
    name: "cart",
    qos: Qos::BestEffort,
    priority: 0,
    memory_mib: 0,
    disk_mib: 0,
    work: &["idle", "--mib", "1"],
    empty_dir: true,
    limits: StorageLimits { volume: 4, app: 0, worker: 0 },
    is_static: false,
};

/// A node of a cluster, with [`LIMITED`] on it.
struct Stage {
    // In the order in which they are to go.
    pod: Pod,
    runtime: Runtime,
    inbox: Inbox,
    node: Node,
    kubelet: Kubelet,
    plane: Arc<ControlPlane>,
}

impl Stage {
    /// `None` where the control plane is left out.
    fn set() -> Option<Self> {
        let plane = ControlPlane::start_unless_left_out().unwrap()?;
        let kubelet = Kubelet::register(&plane, NODE).unwrap();
        let node = Node::create().unwrap();
        let mut inbox = Inbox::default();
        let mut runtime = Runtime::start(&node, &inbox).unwrap();
        let pod = kubelet.start_pod(&LIMITED, &node, &mut runtime, &mut inbox).unwrap();
        Some(Self { pod, runtime, inbox, node, kubelet, plane })
    }
}

fn start(node: &Node, inbox: &mut Inbox, plane: &ControlPlane, mode: &'static str) -> Evictd {
    let mut options = Options::new(&common::evictd_binary(), mode);
    options.cluster =
        Some(Cluster { kubeconfig: plane.admin_kubeconfig().to_owned(), node: NODE.to_owned() });
    let cgroup = node.system().child("evictd").unwrap();
    Evictd::start(node, &cgroup, inbox, &options).unwrap()
}

/// Waits until there are pods; gives where they come from.
fn wait_pods_known(evictd: &Evictd, inbox: &mut Inbox, from: usize) -> PodsFrom {
    let known = |pods: &PodsFrom| (pods.listed > 0).then(|| pods.clone());
    if let Some(pods) = known(&evictd.started().pods_from) {
        return pods;
    }
    let pods = inbox.wait_record(from, PATIENCE, "the pods", |record| {
        if let Record::Pods(pods) = record { known(pods) } else { None }
    });
    pods.unwrap()
}

/// Has the pod's worker hold more than it may.
fn exceed(pod: &mut Pod, runtime: &mut Runtime, inbox: &mut Inbox) {
    let file = pod.volume_dir().join("file");
    let args = format!("write-exactly --bytes 1048576 --count 8 --file {}", file.display());
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    pod.start_worker(&args, runtime, inbox).unwrap();
}

/// Starts a container of the pod as a kubelet does that has not heard of the eviction.
fn start_again(pod: &Pod, node: &Node, runtime: &mut Runtime, inbox: &mut Inbox) -> Container {
    let id = Identity::random().unwrap().app;
    let at = Placement {
        id: &id,
        pod_cgroup: pod.cgroup(),
        log_dir: &pod.log_dir().join("app"),
        fifos_dir: &node.fifos_dir(),
    };
    let args = ["idle", "--mib", "1"].map(str::to_owned);
    Container::start(&at, &args, runtime, inbox).unwrap()
}

fn wait_evicted(inbox: &mut Inbox, from: usize, uid: &str) -> String {
    let evicted = inbox.wait_record(from, PATIENCE, "the eviction", |record| {
        let Record::Eviction(eviction) = record else { return None };
        (eviction.uid == uid).then(|| eviction.message.clone())
    });
    evicted.unwrap()
}

fn wait_told(inbox: &mut Inbox, from: usize, matter: &str) -> Told {
    let told = inbox.wait_record(from, PATIENCE, "what came of the telling", |record| {
        let Record::Told(told) = record else { return None };
        (told.matter == matter).then(|| told.clone())
    });
    told.unwrap()
}

fn files(state: &Path) -> usize {
    fs::read_dir(state.join("outbox")).map_or(0, Iterator::count)
}

/// The API server is away when the pod is killed; its container is started again, and killed again; evictd
/// is killed; the API server comes back, and the next evictd tells it.
#[test]
fn an_eviction_survives_the_api_server_and_evictd() {
    let _alone = common::alone();
    let Some(stage) = Stage::set() else { return };
    let Stage { plane, kubelet, node, mut inbox, mut runtime, mut pod } = stage;
    let state = node.dir().join("state");

    let from = inbox.mark();
    let evictd = start(&node, &mut inbox, &plane, "enforce");
    wait_pods_known(&evictd, &mut inbox, from);
    plane.stop_apiserver().unwrap();
    let from = inbox.mark();
    pod.start_worker(&Kind::MemoryHog.workload(), &mut runtime, &mut inbox).unwrap();
    let message = wait_evicted(&mut inbox, from, pod.uid());
    common::wait_until("it is on disk", || files(&state) == 2);

    let from = inbox.mark();
    let mut container = start_again(&pod, &node, &mut runtime, &mut inbox);
    let again = inbox.wait_record(from, Duration::from_secs(20), "the second kill", |record| {
        let Record::KilledAgain { uid, kills, outcome } = record else { return None };
        (uid == pod.uid()).then(|| (*kills, outcome.clone()))
    });
    assert_eq!(again.unwrap(), (1, "killed".to_owned()));
    common::wait_until("it is dead", || !container.is_running() && !pod.app_is_running());

    let pid = Pid::from_raw(i32::try_from(evictd.pid()).unwrap()).unwrap();
    let from = inbox.mark();
    kill_process(pid, Signal::KILL).unwrap();
    inbox.wait_end(from, PATIENCE).unwrap();
    drop(evictd);
    assert_eq!(files(&state), 2);

    // Started again while there is no evictd.
    let _container = start_again(&pod, &node, &mut runtime, &mut inbox);
    let from = inbox.mark();
    let evictd = start(&node, &mut inbox, &plane, "enforce");
    let again = inbox.wait_record(from, PATIENCE, "the kill by the next evictd", |record| {
        matches!(record, Record::KilledAgain { outcome, .. } if outcome == "killed").then_some(())
    });
    again.unwrap();
    plane.start_apiserver().unwrap();
    let told = wait_told(&mut inbox, from, "status");
    assert_eq!((told.outcome.as_str(), told.uid.as_str()), ("accepted", pod.uid()));
    assert!(told.attempts > 1, "{told:?}");
    assert_eq!(wait_told(&mut inbox, from, "event").outcome, "accepted");
    common::wait_until("nothing is left", || files(&state) == 0);

    let status = kubelet.pod(&LIMITED).unwrap().unwrap().status.unwrap();
    let told = (status.phase.as_deref(), status.reason.as_deref(), status.message.as_deref());
    assert_eq!(told, (Some("Failed"), Some("Evicted"), Some(&*message)));
    assert!(message.contains("Container worker was using "), "{message}");
    let about: Vec<_> =
        status.conditions.unwrap_or_default().into_iter().map(|c| c.type_).collect();
    assert!(about.contains(&"DisruptionTarget".to_owned()), "{about:?}");
    let events = events(&plane, LIMITED.namespace);
    assert_eq!(events.len(), 1);
    let annotations = events[0].metadata.annotations.as_ref().unwrap();
    assert_eq!(annotations["starved_resource"], "memory");
    let offending: Vec<&str> = annotations["offending_containers"].split(',').collect();
    assert!(offending.contains(&"worker"), "{offending:?}");
    assert!(evictd.stop(&mut inbox).unwrap().status.success());
}

/// evictd ends, the API server goes, and evictd starts: it goes by the pods that were known before.
#[test]
fn the_pods_of_before_are_known_and_evicted_while_the_api_server_is_away() {
    let _alone = common::alone();
    let Some(stage) = Stage::set() else { return };
    let Stage { plane, kubelet, node, mut inbox, mut runtime, mut pod } = stage;
    let from = inbox.mark();
    let evictd = start(&node, &mut inbox, &plane, "enforce");
    wait_pods_known(&evictd, &mut inbox, from);
    let remembered = node.dir().join("state").join("pods.json");
    common::wait_until("the pods are on disk", || {
        fs::read_to_string(&remembered).is_ok_and(|text| text.contains(pod.uid()))
    });
    let from = inbox.mark();
    assert!(evictd.stop(&mut inbox).unwrap().status.success());
    inbox.wait_end(from, PATIENCE).unwrap();
    plane.stop_apiserver().unwrap();

    let from = inbox.mark();
    let evictd = start(&node, &mut inbox, &plane, "enforce");
    let pods = wait_pods_known(&evictd, &mut inbox, from);
    assert_eq!((pods.api.as_deref(), pods.listed), (Some("remembered"), 1));
    pod.start_worker(&Kind::MemoryHog.workload(), &mut runtime, &mut inbox).unwrap();
    let message = wait_evicted(&mut inbox, from, pod.uid());
    plane.start_apiserver().unwrap();
    assert_eq!(wait_told(&mut inbox, from, "status").outcome, "accepted");
    let status = kubelet.pod(&LIMITED).unwrap().unwrap().status.unwrap();
    assert_eq!(status.message, Some(message));
    assert!(evictd.stop(&mut inbox).unwrap().status.success());
}

#[test]
fn observe_mode_tells_nothing() {
    let _alone = common::alone();
    let Some(stage) = Stage::set() else { return };
    let Stage { plane, kubelet, node, mut inbox, mut runtime, mut pod } = stage;
    let from = inbox.mark();
    let evictd = start(&node, &mut inbox, &plane, "observe");
    wait_pods_known(&evictd, &mut inbox, from);
    exceed(&mut pod, &mut runtime, &mut inbox);
    wait_evicted(&mut inbox, from, pod.uid());
    // What is due is told before evictd ends.
    assert!(evictd.stop(&mut inbox).unwrap().status.success());
    let status = kubelet.pod(&LIMITED).unwrap().unwrap().status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert!(events(&plane, LIMITED.namespace).is_empty());
    assert!(pod.app_is_running());
}
