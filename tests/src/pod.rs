//! A running pod: manifest, cgroups, directories, containers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    cgroup::Cgroup,
    container::{Container, Placement},
    inbox::Inbox,
    manifest::{Identity, PodSpec},
    node::Node,
    runtime::{Reply, Runtime, wait_reply},
};

/// Where a pod's emptyDir `data` is.
const EMPTY_DIR: &str = "volumes/kubernetes.io~empty-dir/data";

/// One pod of the node. Its processes are killed on drop; the node removes the rest.
#[derive(Debug)]
pub struct Pod {
    spec: PodSpec,
    identity: Identity,
    cgroup: Cgroup,
    log_dir: PathBuf,
    volumes_dir: PathBuf,
    manifest: PathBuf,
    fifos_dir: PathBuf,
    app: Container,
    worker: Option<Container>,
}

impl Pod {
    /// Makes the pod with a new UID and starts its container `app`; returns when that is ready.
    pub fn start(
        spec: &PodSpec,
        node: &Node,
        runtime: &mut Runtime,
        inbox: &mut Inbox,
    ) -> Result<Self> {
        Self::start_as(spec, Identity::random()?, node, runtime, inbox)
    }

    /// The same with an identity that somebody else has given it.
    pub fn start_as(
        spec: &PodSpec,
        identity: Identity,
        node: &Node,
        runtime: &mut Runtime,
        inbox: &mut Inbox,
    ) -> Result<Self> {
        let manifest = node.manifests_dir().join(format!("{}-{}.yaml", spec.namespace, spec.name));
        write_whole(&manifest, &spec.manifest(&identity))?;
        let class = match spec.qos.cgroup() {
            Some(class) => node.kubepods().at(class),
            None => node.kubepods().clone(),
        };
        let cgroup = class.child(&format!("pod{}", identity.uid))?;
        let volumes_dir = node.kubelet_dir().join("pods").join(&identity.uid);
        let log_dir =
            node.pod_logs_dir().join(format!("{}_{}_{}", spec.namespace, spec.name, identity.uid));
        let mut work: Vec<String> = spec.work.iter().map(|&word| word.to_owned()).collect();
        if spec.empty_dir {
            let volume = volumes_dir.join(EMPTY_DIR);
            fs::create_dir_all(&volume).with_context(|| volume.display().to_string())?;
            if spec.work.first() == Some(&"steady-writer") {
                work.extend(["--dir".to_owned(), volume.display().to_string()]);
            }
        }
        let from = inbox.mark();
        let at = Placement {
            id: &identity.app,
            pod_cgroup: &cgroup,
            log_dir: &log_dir.join("app"),
            fifos_dir: &node.fifos_dir(),
        };
        let app = Container::start(&at, &work, runtime, inbox)?;
        app.wait_ready(inbox, from)?;
        Ok(Self {
            spec: spec.clone(),
            identity,
            cgroup,
            log_dir,
            volumes_dir,
            manifest,
            fifos_dir: node.fifos_dir(),
            app,
            worker: None,
        })
    }

    /// Its identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Starts the container `worker` with these arguments of `evictd-workload`. Returns its id.
    pub fn start_worker(
        &mut self,
        args: &[String],
        runtime: &mut Runtime,
        inbox: &mut Inbox,
    ) -> Result<String> {
        let at = Placement {
            id: &self.identity.worker,
            pod_cgroup: &self.cgroup,
            log_dir: &self.log_dir.join("worker"),
            fifos_dir: &self.fifos_dir,
        };
        self.worker = Some(Container::start(&at, args, runtime, inbox)?);
        Ok(self.identity.worker.clone())
    }

    /// What it is.
    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        &self.identity.uid
    }

    /// Id of its container `worker`, started or not.
    pub fn worker_id(&self) -> &str {
        &self.identity.worker
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// The directory of its containers' log directories.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// The directory of its emptyDir, if it has one.
    pub fn volume_dir(&self) -> PathBuf {
        self.volumes_dir.join(EMPTY_DIR)
    }

    /// The exit code of the container `worker`, once it has ended by itself.
    pub fn worker_exit_code(&mut self) -> Option<i32> {
        self.worker.as_mut()?.exit_code()
    }

    /// True while the container `app` runs.
    pub fn app_is_running(&mut self) -> bool {
        self.app.is_running()
    }

    /// True while the first process of each of its containers runs.
    pub fn is_running(&mut self) -> bool {
        self.app.is_running() && self.worker.as_mut().is_none_or(Container::is_running)
    }

    /// Waits until the runtime has closed the logs of a pod that was killed.
    pub fn wait_logs_closed(&self, inbox: &mut Inbox, from: usize) -> Result<()> {
        for container in self.worker.iter().chain([&self.app]) {
            wait_reply(inbox, from, "the runtime to close a log", container.id(), |reply| {
                matches!(reply, Reply::Closed { .. }).then_some(())
            })?;
        }
        Ok(())
    }

    /// Removes logs and volumes of a pod that is dead, as the kubelet does.
    pub fn remove_directories(&self) -> Result<()> {
        for dir in [&self.log_dir, &self.volumes_dir] {
            if dir.exists() {
                fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// Removes what is left of the pod: processes, directories, cgroups, manifest.
    pub fn remove(self) -> Result<()> {
        self.cgroup.kill_all()?;
        fs::remove_file(&self.manifest)
            .with_context(|| format!("removing {}", self.manifest.display()))?;
        self.remove_directories()?;
        self.cgroup.remove()
    }
}

/// Writes a file so that a reader sees all of it or nothing.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, text).with_context(|| format!("writing {}", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("renaming to {}", path.display()))
}
