//! One pod joined to its cgroup, logs and volumes.

use std::{
    ffi::{CStr, CString},
    sync::Arc,
};

use evictd_core::{PodFacts, Volume, VolumeKind};
use tracing::info;

use super::{
    CgroupTree, NodeLayout, PodCgroup, PodRecord,
    cgroup::{c_path, for_each_dir},
    procs,
};
use crate::{config::Protect, sample::PodCounters};

/// The log directory of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// The container's name.
    pub container: Arc<str>,
    /// Device, as user space numbers it (`st_dev`).
    pub dev: u64,
    /// Inode.
    pub inode: u64,
}

/// An emptyDir volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyDir {
    /// The volume's name.
    pub volume: Arc<str>,
    /// Its directory.
    pub path: CString,
    /// It is of the default medium, so that it counts against the node's disk.
    pub on_disk: bool,
}

/// One pod and what belongs to it.
#[derive(Debug)]
pub struct Pod {
    record: PodRecord,
    facts: Arc<PodFacts>,
    relative: CString,
    logs_root: CString,
    empty_dirs: Vec<EmptyDir>,
    /// By the configuration.
    protected: bool,
    /// evictd itself runs in it.
    is_own: bool,
    cgroup: Option<PodCgroup>,
    counters: Option<PodCounters>,
    logs: Vec<LogDir>,
}

impl Pod {
    /// What its object says.
    pub const fn record(&self) -> &PodRecord {
        &self.record
    }

    /// What evaluation needs to know. `id.cgroup_inode` is 0 while the pod has no cgroup: it cannot
    /// be killed then.
    pub const fn facts(&self) -> &Arc<PodFacts> {
        &self.facts
    }

    /// evictd itself runs in it.
    pub const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Its cgroup, if it exists.
    pub const fn cgroup(&self) -> Option<&PodCgroup> {
        self.cgroup.as_ref()
    }

    /// The counters of its cgroup, if it exists.
    pub const fn counters(&self) -> Option<&PodCounters> {
        self.counters.as_ref()
    }

    /// Name of the container whose cgroup has that id: as the pod's status names it, else its id.
    /// `None` for the pod's own cgroup.
    pub fn container_name(&self, cgroup_id: u64) -> Option<&str> {
        let containers = self.cgroup.as_ref()?.containers();
        let id = containers.iter().find(|container| container.inode == cgroup_id)?.id();
        Some(self.record.container_names.get(id).map_or(id, String::as_str))
    }

    /// The directory that holds the log directories of its containers.
    pub fn logs_root(&self) -> &CStr {
        &self.logs_root
    }

    /// The log directories of its containers.
    pub fn logs(&self) -> &[LogDir] {
        &self.logs
    }

    /// Its emptyDir volumes.
    pub fn empty_dirs(&self) -> &[EmptyDir] {
        &self.empty_dirs
    }

    pub(super) fn new(record: PodRecord, layout: &NodeLayout, protect: &Protect) -> Option<Self> {
        let path = |p: std::path::PathBuf| c_path(&p).ok();
        // Known better once it has a cgroup: the pod that evictd runs in is protected too.
        let protected = protect.covers(&record.namespace, &record.name);
        Some(Self {
            facts: Arc::new(record.facts(0, protected)),
            relative: path(layout.pod_cgroup(record.qos, &record.uid))?,
            logs_root: path(layout.pod_logs(&record.namespace, &record.name, &record.uid))?,
            empty_dirs: empty_dirs(&record, layout)?,
            record,
            protected,
            is_own: false,
            cgroup: None,
            counters: None,
            logs: Vec::new(),
        })
    }

    /// Protects it, or not, by the configuration.
    pub(super) fn set_protected(&mut self, protected: bool) {
        self.protected = protected;
        if self.facts.protected != (protected || self.is_own) {
            self.make_facts(self.facts.id.cgroup_inode);
        }
    }

    fn make_facts(&mut self, cgroup_inode: u64) {
        let protected = self.protected || self.is_own;
        self.facts = Arc::new(self.record.facts(cgroup_inode, protected));
    }

    /// Looks at the machine again; true if anything differs.
    pub(super) fn refresh(&mut self, tree: &CgroupTree) -> bool {
        let cgroups = self.refresh_cgroup(tree);
        self.refresh_logs() || cgroups
    }

    fn refresh_cgroup(&mut self, tree: &CgroupTree) -> bool {
        let inode = tree.inode(&self.relative);
        let same = self.cgroup.as_ref().filter(|c| Some(c.inode()) == inode);
        if same.is_none() || same.is_some_and(|c| tree.is_partial(c)) {
            if self.cgroup.is_none() && inode.is_none() {
                return false;
            }
            let joined = tree.join(&self.relative);
            self.counters = joined.as_ref().map(|c| PodCounters::open(c.dirs()));
            self.cgroup = joined;
            let inode = self.cgroup.as_ref().map_or(0, PodCgroup::inode);
            self.is_own = self.cgroup.as_ref().is_some_and(procs::holds_this_process);
            if self.is_own {
                info!("{}/{} is evictd's own pod", self.record.namespace, self.record.name);
            }
            self.make_facts(inode);
            return true;
        }
        self.cgroup.as_mut().is_some_and(PodCgroup::refresh_containers)
    }

    fn refresh_logs(&mut self) -> bool {
        let found = log_dirs(&self.logs_root, &self.logs);
        match found {
            LogDirs::Unchanged => false,
            LogDirs::Now(logs) => {
                self.logs = logs;
                true
            }
        }
    }
}

/// The directories of the pod's emptyDir volumes.
fn empty_dirs(record: &PodRecord, layout: &NodeLayout) -> Option<Vec<EmptyDir>> {
    let volumes = record.spec.volumes().iter().filter(|volume| volume.kind.is_empty_dir());
    let empty_dir = |volume: &Volume| {
        let path = c_path(&layout.empty_dir(&record.uid, &volume.name)).ok()?;
        let on_disk = volume.kind == VolumeKind::EmptyDir;
        Some(EmptyDir { volume: volume.name.clone(), path, on_disk })
    };
    volumes.map(empty_dir).collect()
}

enum LogDirs {
    Unchanged,
    Now(Vec<LogDir>),
}

/// The directories below `root`; allocates only when they differ from `known`.
fn log_dirs(root: &CStr, known: &[LogDir]) -> LogDirs {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = rustix::fs::open(root, flags, Mode::empty()) else {
        return if known.is_empty() { LogDirs::Unchanged } else { LogDirs::Now(Vec::new()) };
    };
    let Ok(stat) = rustix::fs::fstat(&dir) else {
        return LogDirs::Unchanged;
    };
    let (mut count, mut all_known) = (0, true);
    let listed = for_each_dir(&dir, |_, inode| {
        count += 1;
        all_known &= known.iter().any(|k| k.inode == inode && k.dev == stat.st_dev);
    });
    if listed.is_err() || (all_known && count == known.len()) {
        return LogDirs::Unchanged;
    }
    let mut logs = Vec::new();
    let found = |name: &CStr, inode| {
        let container = name.to_string_lossy().into();
        logs.push(LogDir { container, dev: stat.st_dev, inode });
    };
    let listed = for_each_dir(&dir, found);
    if listed.is_ok() { LogDirs::Now(logs) } else { LogDirs::Unchanged }
}
