//! A cluster with evictd's manifests in it, and one of its nodes for real: evictd runs there with the token of
//! the DaemonSet's pod and nothing more.

use std::{sync::Arc, time::Duration};

use evictd_tests::{
    control_plane::{ControlPlane, Kubelet},
    deploy::{Agent, overlay},
    evictd::{Cluster, Options},
    inbox::Inbox,
    kind::Kind,
    manifest::PodSpec,
    record::{Eviction, PodsFrom, Record, Told},
    session::Session,
};
use k8s_openapi::api::core::v1::{Pod, PodStatus};

use crate::{common, known::assert_evicted};

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const NODE: &str = "node-a";
pub(crate) const OTHER: &str = "node-b";

/// The cluster before evictd runs.
pub(crate) struct Prepared {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) kubelet: Kubelet,
    pub(crate) agent: Agent,
    pub(crate) options: Options,
}

/// Fields are dropped in order: the node goes before the cluster.
pub(crate) struct Scene {
    pub(crate) session: Session,
    pub(crate) kubelet: Kubelet,
    pub(crate) plane: Arc<ControlPlane>,
}

impl Prepared {
    /// Two nodes, evictd's manifests for mode enforce, its pod on one of them. `None`, with the reason told,
    /// where the API server is left out.
    pub(crate) fn new() -> Option<Self> {
        let plane = ControlPlane::start_unless_left_out().unwrap()?;
        let kubelet = Kubelet::register(&plane, NODE).unwrap();
        Kubelet::register(&plane, OTHER).unwrap();
        install(&plane);
        let agent = Agent::on(&plane, NODE).unwrap();
        let mut options = Options::new(&common::evictd_binary(), "enforce");
        let (kubeconfig, node) = (agent.kubeconfig.clone(), NODE.to_owned());
        options.cluster = Some(Cluster { kubeconfig, node });
        Some(Self { plane, kubelet, agent, options })
    }

    /// Starts the pods and evictd; returns when evictd knows the pods from the API server.
    pub(crate) fn start(self) -> Scene {
        let Self { plane, kubelet, options, agent: _ } = self;
        let session = Session::join(Inbox::default(), &options, kubelet.clone()).unwrap();
        let mut scene = Scene { session, kubelet, plane };
        scene.wait_pods("known");
        scene
    }
}

/// Applies the manifests; also what was taken out of them.
pub(crate) fn install(plane: &ControlPlane) {
    Agent::install(plane, &overlay(plane, "enforce", &[]).unwrap()).unwrap();
}

impl Scene {
    /// Waits until evictd says that of the API server's pods.
    pub(crate) fn wait_pods(&mut self, api: &str) -> PodsFrom {
        let is = |from: &PodsFrom| from.api.as_deref() == Some(api);
        let started = self.session.started().pods_from.clone();
        if is(&started) {
            return started;
        }
        let known = self.session.inbox().wait_record(0, PATIENCE, api, |record| {
            let Record::Pods(from) = record else { return None };
            is(from).then(|| from.clone())
        });
        match known {
            Ok(known) => known,
            Err(e) => panic!("{e}; {started:?}\n{}", self.session.log_tail()),
        }
    }

    /// Lets the offender of that kind go wrong; gives the position in the inbox before it, and its eviction.
    pub(crate) fn happen(&mut self, kind: Kind) -> (usize, Eviction) {
        let from = self.session.inbox().mark();
        self.session.start_worker(kind.offender(), &kind.workload()).unwrap();
        let killed = self.session.inbox().wait_record(from, PATIENCE, "a kill", |record| {
            if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
        });
        let eviction = match killed {
            Ok(eviction) => eviction,
            Err(e) => panic!("{kind:?}: {e}\n{}", self.session.log_tail()),
        };
        let victim = format!("{}/{}", eviction.namespace, eviction.pod);
        let ranked = &eviction.rank;
        assert_eq!((&*victim, &*eviction.outcome), (kind.offender(), "killed"), "{ranked:#?}");
        let position = self.session.position(kind.offender()).unwrap();
        assert_eq!(self.session.pods()[position].uid(), eviction.uid, "the API's UID");
        (from, eviction)
    }

    /// Waits until the victim's processes are gone, does the kubelet's part, and waits until evictd has seen
    /// what that freed.
    pub(crate) fn settle(&mut self, kind: Kind, from: usize, id: u64) {
        let emptied = self.session.inbox().wait_record(from, PATIENCE, "an empty pod", |record| {
            matches!(record, Record::Emptied(emptied) if emptied.id == id).then_some(())
        });
        emptied.unwrap();
        self.session.clear_away(kind.offender(), from).unwrap();
        let released = self.session.inbox().wait_record(from, PATIENCE, "the release", |record| {
            matches!(record, Record::Released(released) if released.id == id).then_some(())
        });
        released.unwrap();
    }

    /// Waits until telling that of the pod has ended.
    pub(crate) fn wait_told(&mut self, from: usize, uid: &str, matter: &str) -> Told {
        let told = self.session.inbox().wait_record(from, PATIENCE, matter, |record| {
            let Record::Told(told) = record else { return None };
            (told.uid == uid && told.matter == matter).then(|| told.clone())
        });
        match told {
            Ok(told) => told,
            Err(e) => panic!("{e}\n{}", self.session.log_tail()),
        }
    }

    /// Waits until the cluster has been told; then holds what it knows against the eviction.
    pub(crate) fn assert_told(&mut self, from: usize, eviction: &Eviction) {
        for matter in ["status", "event"] {
            let told = self.wait_told(from, &eviction.uid, matter);
            assert_eq!(told.outcome, "accepted", "{told:?}");
        }
        let full_name = format!("{}/{}", eviction.namespace, eviction.pod);
        let status = self.status(&full_name);
        assert_evicted(&self.plane, &status, eviction);
    }

    /// Everybody but these runs, and the API server thinks so too.
    pub(crate) fn assert_others_run(&mut self, victims: &[&str]) {
        let specs: Vec<PodSpec> = self.session.pods().iter().map(|p| p.spec().clone()).collect();
        for (position, spec) in specs.iter().enumerate() {
            let name = spec.full_name();
            if victims.contains(&&*name) {
                continue;
            }
            assert!(self.session.pods()[position].is_running(), "{name} is dead");
            assert_eq!(self.status(&name).phase.as_deref(), Some("Running"), "{name}");
        }
    }

    /// What the API server has of a pod of this node.
    pub(crate) fn status(&mut self, full_name: &str) -> PodStatus {
        self.api_pod(full_name).status.unwrap()
    }

    /// A pod of this node, as the API server has it.
    pub(crate) fn api_pod(&mut self, full_name: &str) -> Pod {
        let position = self.session.position(full_name).unwrap();
        let spec = self.session.pods()[position].spec().clone();
        self.kubelet.pod(&spec).unwrap().unwrap()
    }
}
