//! The pods of this node joined to their cgroups, logs and volumes.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString},
    sync::Arc,
};

use evictd_core::PodFacts;

use super::{
    CgroupTree, ManifestDirectory, NodeLayout, PodCgroup, PodRecord,
    cgroup::{c_path, for_each_dir},
};
use crate::{
    config::{InputError, Protect},
    sample::PodCounters,
};

/// Where the pods come from. Every source gives the same index.
#[derive(Debug)]
pub enum PodSource {
    /// A directory of Pod manifests.
    Manifests(ManifestDirectory),
    /// No source: cgroups are looked at as such.
    Nowhere,
}

impl PodSource {
    fn changed(&self) -> bool {
        match self {
            Self::Manifests(directory) => directory.changed(),
            Self::Nowhere => false,
        }
    }

    fn read(&mut self) -> Result<Vec<PodRecord>, InputError> {
        match self {
            Self::Manifests(directory) => directory.read(),
            Self::Nowhere => Ok(Vec::new()),
        }
    }
}

/// The log directory of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// Its name, which is the container's.
    pub container: Arc<str>,
    /// Device, as user space numbers it (`st_dev`).
    pub dev: u64,
    /// Inode.
    pub inode: u64,
}

/// One pod and what belongs to it.
#[derive(Debug)]
pub struct Pod {
    record: PodRecord,
    facts: Arc<PodFacts>,
    relative: CString,
    logs_root: CString,
    empty_dirs: Vec<CString>,
    cgroup: Option<PodCgroup>,
    counters: Option<PodCounters>,
    logs: Vec<LogDir>,
}

impl Pod {
    /// What evaluation needs to know. `id.cgroup_inode` is 0 while the pod has no cgroup: it cannot
    /// be killed then.
    pub const fn facts(&self) -> &Arc<PodFacts> {
        &self.facts
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

    /// The directories of its emptyDir volumes on disk.
    pub fn empty_dirs(&self) -> &[CString] {
        &self.empty_dirs
    }

    fn new(record: PodRecord, layout: &NodeLayout, protect: &Protect) -> Option<Self> {
        let path = |p: std::path::PathBuf| c_path(&p).ok();
        let protected = protect.covers(&record.namespace, &record.name);
        Some(Self {
            facts: Arc::new(record.facts(0, protected)),
            relative: path(layout.pod_cgroup(record.qos, &record.uid))?,
            logs_root: path(layout.pod_logs(&record.namespace, &record.name, &record.uid))?,
            empty_dirs: record
                .empty_dirs
                .iter()
                .map(|volume| path(layout.empty_dir(&record.uid, volume)))
                .collect::<Option<_>>()?,
            record,
            cgroup: None,
            counters: None,
            logs: Vec::new(),
        })
    }

    fn set_protected(&mut self, protected: bool) {
        if self.facts.protected != protected {
            self.facts = Arc::new(self.record.facts(self.facts.id.cgroup_inode, protected));
        }
    }

    /// Looks at the machine again; true if anything differs.
    fn refresh(&mut self, tree: &CgroupTree) -> bool {
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
            self.facts = Arc::new(self.record.facts(inode, self.facts.protected));
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

/// Every pod of this node.
#[derive(Debug)]
pub struct PodIndex {
    source: PodSource,
    layout: NodeLayout,
    protect: Protect,
    tree: CgroupTree,
    pods: Vec<Pod>,
    by_cgroup: BTreeMap<u64, usize>,
    by_log_dir: BTreeMap<(u64, u64), usize>,
}

impl PodIndex {
    /// Reads the pods and joins them to what exists now.
    pub fn open(
        source: PodSource,
        layout: NodeLayout,
        protect: Protect,
        tree: CgroupTree,
    ) -> Result<Self, InputError> {
        let mut index = Self {
            source,
            layout,
            protect,
            tree,
            pods: Vec::new(),
            by_cgroup: BTreeMap::new(),
            by_log_dir: BTreeMap::new(),
        };
        index.reload()?;
        Ok(index)
    }

    /// Reads the pods again if their source changed; true if it did. On an error the pods read last
    /// stay.
    pub fn reload_if_changed(&mut self) -> Result<bool, InputError> {
        if !self.source.changed() {
            return Ok(false);
        }
        self.reload()?;
        Ok(true)
    }

    /// Protects what `protect` covers, and nothing else from now on.
    pub fn protect(&mut self, protect: Protect) {
        self.protect = protect;
        for pod in &mut self.pods {
            pod.set_protected(self.protect.covers(&pod.record.namespace, &pod.record.name));
        }
    }

    fn reload(&mut self) -> Result<(), InputError> {
        let records = self.source.read()?;
        let mut before: BTreeMap<Arc<str>, Pod> =
            self.pods.drain(..).map(|pod| (pod.record.uid.clone(), pod)).collect();
        for record in records {
            // A pod that is still the same keeps its open files.
            let kept = before.remove(&record.uid).filter(|pod| pod.record == record);
            self.pods.extend(kept.or_else(|| Pod::new(record, &self.layout, &self.protect)));
        }
        for pod in &mut self.pods {
            pod.refresh(&self.tree);
        }
        self.rebuild_lookups();
        Ok(())
    }

    /// Joins the pods to the cgroups and directories that exist now; true if anything changed. Call
    /// it when cgroups come and go and on the slow tick: a few system calls per pod.
    pub fn refresh(&mut self) -> bool {
        let mut changed = false;
        for pod in &mut self.pods {
            changed |= pod.refresh(&self.tree);
        }
        if changed {
            self.rebuild_lookups();
        }
        changed
    }

    fn rebuild_lookups(&mut self) {
        self.by_cgroup.clear();
        self.by_log_dir.clear();
        for (i, pod) in self.pods.iter().enumerate() {
            if let Some(cgroup) = &pod.cgroup {
                self.by_cgroup.insert(cgroup.inode(), i);
                self.by_cgroup.extend(cgroup.containers().iter().map(|c| (c.inode, i)));
            }
            self.by_log_dir.extend(pod.logs.iter().map(|log| ((log.dev, log.inode), i)));
        }
    }

    /// Number of the pod whose cgroup, or one of whose containers' cgroups, has that id.
    pub fn by_cgroup(&self, cgroup_id: u64) -> Option<usize> {
        self.by_cgroup.get(&cgroup_id).copied()
    }

    /// Number of the pod that logs into the directory with that device (`st_dev`) and inode.
    pub fn by_log_dir(&self, dev: u64, inode: u64) -> Option<usize> {
        self.by_log_dir.get(&(dev, inode)).copied()
    }

    /// The pod with that UID.
    pub fn by_uid(&self, uid: &str) -> Option<&Pod> {
        self.pods.iter().find(|pod| &*pod.record.uid == uid)
    }

    /// The pod of that number. Numbers hold until the next reload.
    pub fn get(&self, number: usize) -> Option<&Pod> {
        self.pods.get(number)
    }

    /// Every pod, in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Pod> {
        self.pods.iter()
    }

    /// Number of pods.
    pub const fn len(&self) -> usize {
        self.pods.len()
    }

    /// True if there is no pod.
    pub const fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// The cgroup hierarchies the pods are looked up in.
    pub const fn tree(&self) -> &CgroupTree {
        &self.tree
    }
}
