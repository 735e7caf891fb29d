//! The sandboxed node.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result};

use crate::{cgroup::Cgroup, hierarchies::Hierarchies, nodefs::Nodefs, sweep};

/// Memory limit of the pods cgroup.
pub const PODS_MEMORY_BYTES: u64 = 384 << 20;
/// Task limit of the pods cgroup.
pub const PODS_TASKS: u64 = 512;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A node of its own on this machine: a filesystem, a cgroup tree in every hierarchy, a directory
/// of manifests. Everything is removed on drop; leftovers of runs that died are removed at start.
#[derive(Debug)]
pub struct Node {
    dir: PathBuf,
    /// Held as an option so that it can be unmounted before `dir` is removed.
    nodefs: Option<Nodefs>,
    /// The filesystem of container logs, where that is another.
    logfs: Option<Nodefs>,
    top: Cgroup,
    kubepods: Cgroup,
    system: Cgroup,
}

impl Node {
    /// Makes the node. Needs root.
    pub fn create() -> Result<Self> {
        Self::with_logs(false)
    }

    /// The same; container logs lie on a filesystem of their own if `apart`.
    pub fn with_logs(apart: bool) -> Result<Self> {
        let hierarchies = Arc::new(Hierarchies::of_this_machine()?);
        sweep::leftovers(&hierarchies);
        let name = format!(
            "{}{}-{}",
            sweep::CGROUP_PREFIX,
            process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = env::temp_dir().join(name.replacen(sweep::CGROUP_PREFIX, sweep::DIR_PREFIX, 1));
        fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
        let made = Self::fill(&dir, hierarchies, &name, apart);
        if made.is_err() {
            // The error that follows matters more; the next run sweeps what stays.
            let _ = fs::remove_dir_all(&dir);
        }
        made
    }

    fn fill(dir: &Path, hierarchies: Arc<Hierarchies>, name: &str, apart: bool) -> Result<Self> {
        let nodefs = Nodefs::mount_below(dir)?;
        let logfs = apart.then(|| Nodefs::mount_image(dir, "logfs")).transpose()?;
        let root = Cgroup::root(hierarchies);
        let top = root.at(name);
        let node = Self {
            dir: dir.to_owned(),
            nodefs: Some(nodefs),
            logfs,
            kubepods: top.at("kubepods"),
            system: top.at("system"),
            top,
        };
        root.child(name)?;
        node.top.child("kubepods")?;
        node.top.child("system")?;
        node.kubepods.limit_memory(PODS_MEMORY_BYTES)?;
        node.kubepods.limit_tasks(PODS_TASKS)?;
        for class in ["burstable", "besteffort"] {
            node.kubepods.child(class)?;
        }
        for dir in [node.manifests_dir(), node.fifos_dir(), node.pod_logs_dir()] {
            fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        Ok(node)
    }

    /// Its directory outside nodefs: image, manifests, configuration, evictd's log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the Pod manifests are.
    pub fn manifests_dir(&self) -> PathBuf {
        self.dir.join("pods")
    }

    /// Where the containers' stdout pipes are.
    pub fn fifos_dir(&self) -> PathBuf {
        self.dir.join("fifos")
    }

    /// Mount point of nodefs.
    pub fn nodefs_root(&self) -> &Path {
        self.nodefs.as_ref().map_or(&self.dir, Nodefs::root)
    }

    /// evictd's `rootDirectory`.
    pub fn kubelet_dir(&self) -> PathBuf {
        self.nodefs_root().join("kubelet")
    }

    /// evictd's `podLogsDir`.
    pub fn pod_logs_dir(&self) -> PathBuf {
        match &self.logfs {
            Some(logfs) => logfs.root().join("pods"),
            None => self.nodefs_root().join("log/pods"),
        }
    }

    /// The cgroup that holds everything of this node.
    pub fn top(&self) -> &Cgroup {
        &self.top
    }

    /// The pods cgroup.
    pub fn kubepods(&self) -> &Cgroup {
        &self.kubepods
    }

    /// The cgroup of what runs beside the pods: the runtime, evictd.
    pub fn system(&self) -> &Cgroup {
        &self.system
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(e) = self.top.remove() {
            eprintln!("cleaning up: {e:#}");
        }
        (self.nodefs, self.logfs) = (None, None);
        if let Err(e) = fs::remove_dir_all(&self.dir) {
            eprintln!("cleaning up {}: {e}", self.dir.display());
        }
    }
}
