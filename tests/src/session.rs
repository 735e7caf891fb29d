//! Everything together: the node, the runtime, the eight pods, evictd.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{
    control_plane::Kubelet,
    evictd::{Ended, Evictd, Options},
    inbox::Inbox,
    manifest::PodSpec,
    node::Node,
    pod::Pod,
    record::Started,
    roster::PODS,
    runtime::Runtime,
};

/// A running sandbox. Fields are dropped in order: evictd first, the node last.
#[derive(Debug)]
pub struct Session {
    evictd: Evictd,
    /// The pods, in the order of [`PODS`].
    pub(crate) pods: Vec<Pod>,
    pub(crate) runtime: Runtime,
    /// Where the pods come from, if that is an API server.
    kubelet: Option<Kubelet>,
    node: Node,
    pub(crate) inbox: Inbox,
}

impl Session {
    /// Makes the node, starts the runtime and the pods, then evictd.
    pub fn start(inbox: Inbox, options: &Options) -> Result<Self> {
        Self::with_pods(inbox, options, None)
    }

    /// The same on a node of a cluster: pods and their UIDs come from the API server.
    pub fn join(inbox: Inbox, options: &Options, kubelet: Kubelet) -> Result<Self> {
        Self::with_pods(inbox, options, Some(kubelet))
    }

    fn with_pods(mut inbox: Inbox, options: &Options, kubelet: Option<Kubelet>) -> Result<Self> {
        let node = Node::with_logs(options.logs_apart)?;
        let mut runtime = Runtime::start(&node, &inbox)?;
        let mut pods = Vec::with_capacity(PODS.len());
        for spec in &PODS {
            pods.push(start_pod(spec, kubelet.as_ref(), &node, &mut runtime, &mut inbox)?);
        }
        let cgroup = match options.inside {
            Some(name) => {
                let pod = pods.iter().find(|pod: &&Pod| pod.spec().full_name() == name);
                pod.with_context(|| format!("no pod {name}"))?.cgroup().child("evictd")?
            }
            None => node.system().child("evictd")?,
        };
        let evictd = Evictd::start(&node, &cgroup, &mut inbox, options)?;
        Ok(Self { evictd, pods, runtime, kubelet, node, inbox })
    }

    /// evictd's first record.
    pub fn started(&self) -> &Started {
        self.evictd.started()
    }

    /// evictd's last lines on stderr.
    pub fn log_tail(&self) -> String {
        self.evictd.log_tail()
    }

    /// evictd's process id.
    pub fn evictd_pid(&self) -> u32 {
        self.evictd.pid()
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The pods.
    pub fn pods(&mut self) -> &mut [Pod] {
        &mut self.pods
    }

    /// What has happened.
    pub fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// The position of the pod `namespace/name`.
    pub fn position(&self, full_name: &str) -> Result<usize> {
        let found = self.pods.iter().position(|pod| pod.spec().full_name() == full_name);
        found.with_context(|| format!("no pod {full_name}"))
    }

    /// Starts the container `worker` of a pod. Returns its id.
    pub fn start_worker(&mut self, full_name: &str, args: &[String]) -> Result<String> {
        let position = self.position(full_name)?;
        let Self { pods, runtime, inbox, .. } = self;
        pods[position].start_worker(args, runtime, inbox)
    }

    /// Adds a pod beside those of the roster.
    pub fn add(&mut self, spec: &PodSpec) -> Result<()> {
        let Self { runtime, kubelet, node, inbox, .. } = self;
        self.pods.push(start_pod(spec, kubelet.as_ref(), node, runtime, inbox)?);
        Ok(())
    }

    /// Rotates the log of a container; gives the old file's new name.
    pub fn rotate(&mut self, id: &str) -> Result<PathBuf> {
        self.runtime.rotate(&mut self.inbox, id)
    }

    /// Removes a pod and makes it again with a new UID, as its controller would.
    pub fn replace(&mut self, position: usize) -> Result<()> {
        let spec: PodSpec = self.pods[position].spec().clone();
        self.pods.remove(position).remove()?;
        let Self { runtime, kubelet, node, inbox, .. } = self;
        if let Some(kubelet) = kubelet {
            kubelet.forget(&spec)?;
        }
        let new = start_pod(&spec, kubelet.as_ref(), node, runtime, inbox)?;
        self.pods.insert(position, new);
        Ok(())
    }

    /// Stops evictd, then everything else.
    pub fn stop(self) -> Result<Ended> {
        let Self { evictd, pods, runtime, node, mut inbox, .. } = self;
        let ended = evictd.stop(&mut inbox);
        drop(pods);
        drop(runtime);
        drop(node);
        ended
    }
}

fn start_pod(
    spec: &PodSpec,
    kubelet: Option<&Kubelet>,
    node: &Node,
    runtime: &mut Runtime,
    inbox: &mut Inbox,
) -> Result<Pod> {
    let pod = match kubelet {
        Some(kubelet) => kubelet.start_pod(spec, node, runtime, inbox),
        None => Pod::start(spec, node, runtime, inbox),
    };
    pod.with_context(|| format!("starting {}", spec.full_name()))
}
