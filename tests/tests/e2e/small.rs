//! The same node with a pod or two, where evictd is started, killed and kept from its cluster.

use std::{fs, sync::Arc};

use evictd_tests::{
    container::{Container, Placement},
    control_plane::{ControlPlane, Kubelet},
    deploy::Agent,
    evictd::{Ended, Evictd, Options},
    inbox::{Event, Inbox},
    manifest::{Identity, PodSpec, Qos, StorageLimits},
    node::{Node, PODS_MEMORY_BYTES},
    pod::Pod,
    record::{Eviction, PodsFrom, Record, Started, Told},
    runtime::Runtime,
    truth::Gauge,
};
use k8s_openapi::api::core::v1::PodStatus;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    common,
    known::assert_evicted,
    scene::{PATIENCE, Prepared},
};

/// Fields are dropped in order: evictd first, the node and then the cluster last.
pub(crate) struct Small {
    evictd: Option<Evictd>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) runtime: Runtime,
    pub(crate) node: Node,
    pub(crate) inbox: Inbox,
    pub(crate) options: Options,
    pub(crate) kubelet: Kubelet,
    pub(crate) agent: Agent,
    pub(crate) plane: Arc<ControlPlane>,
}

/// A pod that does nothing by itself.
pub(crate) const fn idle(name: &'static str) -> PodSpec {
    PodSpec {
        namespace: "shop",
        name,
        qos: Qos::BestEffort,
        priority: 0,
        memory_mib: 0,
        disk_mib: 0,
        work: &["idle", "--mib", "1", "--lifetime", "300"],
        empty_dir: true,
        limits: StorageLimits::NONE,
        is_static: false,
    }
}

impl Prepared {
    /// The pods, and no evictd yet.
    pub(crate) fn small(self, specs: &[PodSpec]) -> Small {
        let Self { plane, kubelet, agent, options } = self;
        let node = Node::create().unwrap();
        let mut inbox = Inbox::default();
        let runtime = Runtime::start(&node, &inbox).unwrap();
        let pods = Vec::new();
        inbox.mark();
        let mut small =
            Small { evictd: None, pods, runtime, node, inbox, options, kubelet, agent, plane };
        for spec in specs {
            small.add(spec);
        }
        small
    }
}

impl Small {
    /// Starts another pod.
    pub(crate) fn add(&mut self, spec: &PodSpec) {
        let Self { kubelet, node, runtime, inbox, .. } = self;
        self.pods.push(kubelet.start_pod(spec, node, runtime, inbox).unwrap());
    }

    /// Starts evictd; gives the position in the inbox before it.
    pub(crate) fn start(&mut self) -> usize {
        let from = self.inbox.mark();
        let cgroup = self.node.system().child("evictd").unwrap();
        let started = Evictd::start(&self.node, &cgroup, &mut self.inbox, &self.options);
        self.evictd = Some(started.unwrap());
        from
    }

    /// Starts evictd and waits until it knows the pods.
    pub(crate) fn start_knowing(&mut self) {
        let from = self.start();
        self.wait_pods(from, "known");
    }

    /// A signal to evictd.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.evictd.as_ref().unwrap().pid()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// SIGKILL to evictd.
    pub(crate) fn kill(&mut self) {
        let from = self.inbox.mark();
        self.signal(Signal::KILL);
        self.inbox.wait_end(from, PATIENCE).unwrap();
        self.evictd = None;
    }

    /// SIGTERM to evictd, which is to end well.
    pub(crate) fn end(&mut self) -> Ended {
        let from = self.inbox.mark();
        let ended = self.evictd.take().unwrap().stop(&mut self.inbox).unwrap();
        self.inbox.wait_end(from, PATIENCE).unwrap();
        assert!(ended.status.success(), "{}", ended.status);
        ended
    }

    /// What evictd has logged since it was started last.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.node.dir().join("evictd.log")).unwrap()
    }

    /// Waits for a record.
    pub(crate) fn wait<T>(
        &mut self,
        from: usize,
        what: &str,
        pick: impl FnMut(&Record) -> Option<T>,
    ) -> T {
        match self.inbox.wait_record(from, PATIENCE, what, pick) {
            Ok(found) => found,
            Err(e) => panic!("{e}\n{}", self.log()),
        }
    }

    /// Waits until evictd says that of the API server's pods.
    pub(crate) fn wait_pods(&mut self, from: usize, api: &str) -> PodsFrom {
        self.wait(from, &format!("pods that are {api}"), |record| {
            let (Record::Pods(pods) | Record::Started(Started { pods_from: pods, .. })) = record
            else {
                return None;
            };
            (pods.api.as_deref() == Some(api)).then(|| pods.clone())
        })
    }

    /// What evictd has said of where the pods come from, since `from`.
    pub(crate) fn pods_from(&mut self, from: usize) -> Vec<PodsFrom> {
        let pods = |event: &Event| {
            let Event::Record(record) = event else { return None };
            if let Record::Pods(pods) = &**record { Some(pods.clone()) } else { None }
        };
        self.inbox.since(from).iter().filter_map(pods).collect()
    }

    /// Has a pod take all memory that it gets; gives its eviction once it is killed for it.
    pub(crate) fn hog(&mut self, position: usize) -> (usize, Eviction) {
        let from = self.inbox.mark();
        let words = "memory-hog --mib-per-s 250 --max-mib 512 --lifetime 90";
        let args: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let Self { pods, runtime, inbox, .. } = self;
        pods[position].start_worker(&args, runtime, inbox).unwrap();
        let eviction = self.wait_eviction(from);
        let pod = &self.pods[position];
        assert_eq!((&*eviction.uid, &*eviction.outcome), (pod.uid(), "killed"), "{eviction:#?}");
        (from, eviction)
    }

    /// Has a container in a pod hold so much memory that `left_mib` are left, until it is dropped.
    pub(crate) fn hold(&mut self, position: usize, left_mib: u64) -> Container {
        let gauge = Gauge::memory(self.node.kubepods(), PODS_MEMORY_BYTES).unwrap();
        let left = u64::try_from(gauge.available().unwrap()).unwrap() >> 20;
        let args = ["idle", "--mib", &(left - left_mib).to_string(), "--lifetime", "300"];
        let args = args.map(str::to_owned);
        let (id, pod) = (Identity::random().unwrap().worker, &self.pods[position]);
        let at = Placement {
            id: &id,
            pod_cgroup: pod.cgroup(),
            log_dir: &pod.log_dir().join("worker"),
            fifos_dir: &self.node.fifos_dir(),
        };
        Container::start(&at, &args, &mut self.runtime, &mut self.inbox).unwrap()
    }

    /// Waits for the next eviction.
    pub(crate) fn wait_eviction(&mut self, from: usize) -> Eviction {
        self.wait(from, "an eviction", |record| {
            if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
        })
    }

    /// Waits until telling that of the pod has ended.
    pub(crate) fn wait_told(&mut self, from: usize, uid: &str, matter: &str) -> Told {
        self.wait(from, matter, |record| {
            let Record::Told(told) = record else { return None };
            (told.uid == uid && told.matter == matter).then(|| told.clone())
        })
    }

    /// Waits until the cluster has been told; then holds what it knows against the eviction.
    pub(crate) fn assert_told(&mut self, from: usize, position: usize, eviction: &Eviction) {
        for matter in ["status", "event"] {
            let told = self.wait_told(from, &eviction.uid, matter);
            assert_eq!(told.outcome, "accepted", "{told:?}");
        }
        assert_evicted(&self.plane, &self.status(position), eviction);
    }

    /// What the API server has of a pod.
    pub(crate) fn status(&self, position: usize) -> PodStatus {
        let spec = self.pods[position].spec();
        self.kubelet.pod(spec).unwrap().unwrap().status.unwrap()
    }

    /// The kubelet's part when a pod has ended: its object goes, and what is left of it here.
    pub(crate) fn clear_away(&mut self, position: usize) -> PodSpec {
        let pod = self.pods.remove(position);
        let spec = pod.spec().clone();
        pod.remove().unwrap();
        self.kubelet.forget(&spec).unwrap();
        spec
    }

    /// Waits until the Node is marked so.
    pub(crate) fn wait_marks(&self, what: &str, is: impl Fn(&[String]) -> bool) {
        common::wait_until(what, || is(&crate::known::marks(&self.kubelet.object().unwrap())));
    }
}
