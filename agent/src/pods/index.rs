//! The pods of this node joined to their cgroups, logs and volumes.

use std::{collections::BTreeMap, sync::Arc};

use super::{CgroupTree, NodeLayout, Pod, PodRecord, PodSource, unlisted};
use crate::config::{InputError, Protect};

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

    /// Where the pods come from.
    pub const fn source(&self) -> &PodSource {
        &self.source
    }

    /// Protects what `protect` covers, and nothing else from now on.
    pub fn protect(&mut self, protect: Protect) {
        self.protect = protect;
        for pod in &mut self.pods {
            let protected = self.protect.covers(&pod.record().namespace, &pod.record().name);
            pod.set_protected(protected);
        }
    }

    fn reload(&mut self) -> Result<(), InputError> {
        let records = self.source.read()?;
        let mut before: BTreeMap<Arc<str>, Pod> =
            self.pods.drain(..).map(|pod| (pod.record().uid.clone(), pod)).collect();
        for record in records {
            // A pod that is still the same keeps its open files.
            let kept = before.remove(&record.uid).filter(|pod| *pod.record() == record);
            self.pods.extend(kept.or_else(|| Pod::new(record, &self.layout, &self.protect)));
        }
        for pod in &mut self.pods {
            pod.refresh(&self.tree);
        }
        self.rebuild_lookups();
        self.refresh_unlisted();
        Ok(())
    }

    /// Joins the pods to the cgroups and directories that exist now; true if anything changed. Call
    /// it when cgroups come and go and on the slow tick: a few system calls per pod.
    pub fn refresh(&mut self) -> bool {
        let mut changed = self.tree.pods_inode().is_none() && self.find_driver();
        for pod in &mut self.pods {
            changed |= pod.refresh(&self.tree);
        }
        if changed {
            self.rebuild_lookups();
        }
        self.refresh_unlisted() || changed
    }

    /// The kubelet may have come later than evictd, or with another driver than before.
    fn find_driver(&mut self) -> bool {
        if !self.layout.find_driver(&mut self.tree) {
            return false;
        }
        let records: Vec<PodRecord> = self.pods.drain(..).map(|pod| pod.record().clone()).collect();
        let (layout, protect) = (&self.layout, &self.protect);
        self.pods = records.into_iter().filter_map(|r| Pod::new(r, layout, protect)).collect();
        true
    }

    /// Pods that the source does not name: takes in those that have a cgroup, drops those that have none
    /// any longer. True if anything changed.
    fn refresh_unlisted(&mut self) -> bool {
        if !self.source.may_lack_pods() {
            return false;
        }
        let named = unlisted::name(&self.layout, self.pods.iter().map(Pod::record));
        let before = self.pods.len();
        self.pods.retain(|pod| {
            let record = pod.record();
            let is_renamed = named.iter().any(|named| named.uid == record.uid);
            record.is_listed || (pod.cgroup().is_some() && !is_renamed)
        });
        let mut changed = self.pods.len() != before;
        if changed {
            self.rebuild_lookups();
        }
        let is_known = |inode| self.by_cgroup.contains_key(&inode);
        for record in unlisted::find(&self.layout, &self.tree, is_known) {
            // One whose cgroup is of another class than its object says stays what its object says.
            if self.by_uid(&record.uid).is_some() {
                continue;
            }
            if let Some(mut pod) = Pod::new(record, &self.layout, &self.protect) {
                pod.refresh(&self.tree);
                self.pods.push(pod);
                changed = true;
            }
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
            if let Some(cgroup) = pod.cgroup() {
                self.by_cgroup.insert(cgroup.inode(), i);
                self.by_cgroup.extend(cgroup.containers().iter().map(|c| (c.inode, i)));
            }
            self.by_log_dir.extend(pod.logs().iter().map(|log| ((log.dev, log.inode), i)));
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
        self.pods.iter().find(|pod| &*pod.record().uid == uid)
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

    /// Whether the source has told by now which pods there are.
    pub fn is_known(&self) -> bool {
        self.source.told().is_none_or(|told| told.known.is_known())
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
