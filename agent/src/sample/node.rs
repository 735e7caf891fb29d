//! The node's signals.

use std::{io, path::Path};

use evictd_core::{FsLayout, MonoTime, NodeSignals, Signal};
use thiserror::Error;

use super::{
    CgroupMemory, CgroupPids, Filesystem,
    node_memory::NodeMemory,
    pids::{NodePids, tighter},
};
use crate::{config::MemorySource, pods::CgroupTree};

/// What a [`NodeSampler`] reads.
#[derive(Clone, Copy, Debug)]
pub struct NodeSources<'a> {
    /// Where procfs is mounted (`/proc`).
    pub proc: &'a Path,
    /// nodefs is the file system that holds this path (S-16).
    pub nodefs: &'a Path,
    /// imagefs likewise, if it is watched.
    pub imagefs: Option<&'a Path>,
    /// containerfs likewise, where a runtime tells it; else it is imagefs (S-17).
    pub containerfs: Option<&'a Path>,
    /// The directory of container logs, if the filesystem it lies on is watched where that is another
    /// than nodefs (E-46). The directory need not be there.
    pub logs: Option<&'a Path>,
    /// Where `memory.available` comes from.
    pub memory: MemorySource,
    /// Whether `pid.available` also heeds the limit of the pods cgroup; the kubelet does not.
    pub pods_pids_limit: bool,
}

/// A source that must be there is not.
#[derive(Debug, Error)]
#[error("cannot read {what} at {path}: {source}")]
pub struct SourceError {
    /// What was to be read.
    pub what: &'static str,
    /// Where.
    pub path: std::path::PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// Reads the node's signals. Sampling takes microseconds and allocates nothing; what cannot be read
/// is absent (S-3).
#[derive(Debug)]
pub struct NodeSampler {
    memory: NodeMemory,
    pids: NodePids,
    nodefs: Filesystem,
    imagefs: Option<Filesystem>,
    /// Only where it is another device than imagefs.
    containerfs: Option<Filesystem>,
    logfs: Option<Filesystem>,
    pods: Option<PodsCgroup>,
    pods_pids_limit: bool,
}

/// The cgroup that holds all pods.
#[derive(Debug)]
struct PodsCgroup {
    inode: u64,
    memory: Option<CgroupMemory>,
    pids: Option<CgroupPids>,
}

impl NodeSampler {
    /// Opens the sources. The pods cgroup may be missing: see [`Self::refresh`].
    pub fn open(sources: NodeSources<'_>, tree: &CgroupTree) -> Result<Self, SourceError> {
        let proc = sources.proc;
        let error = |what, path: &Path| {
            let path = path.to_owned();
            move |source| SourceError { what, path, source }
        };
        let filesystem = |what, path: &Path| Filesystem::open(path).map_err(error(what, path));
        let mut sampler = Self {
            memory: NodeMemory::open(proc, tree.roots(), sources.memory)
                .map_err(error("node memory", proc))?,
            pids: NodePids::open(proc).map_err(error("node tasks", proc))?,
            logfs: sources.logs.map(|path| filesystem("logfs", existing(path))).transpose()?,
            nodefs: filesystem("nodefs", sources.nodefs)?,
            imagefs: sources.imagefs.map(|path| filesystem("imagefs", path)).transpose()?,
            containerfs: sources
                .containerfs
                .map(|path| filesystem("containerfs", path))
                .transpose()?,
            pods: None,
            pods_pids_limit: sources.pods_pids_limit,
        };
        let nodefs = sampler.nodefs.dev();
        sampler.logfs = sampler.logfs.filter(|logfs| logfs.dev() != nodefs);
        sampler.drop_shared_containerfs();
        sampler.refresh(tree);
        Ok(sampler)
    }

    /// Looks for the pods cgroup again: it may have been made, or made anew, since. Call it when
    /// cgroups come and go.
    pub fn refresh(&mut self, tree: &CgroupTree) {
        let inode = tree.pods_inode();
        if self.pods.as_ref().map(|p| p.inode) == inode {
            return;
        }
        self.pods = inode.map(|inode| {
            let dirs = tree.open_pods();
            PodsCgroup {
                inode,
                memory: CgroupMemory::open(&dirs).ok(),
                pids: CgroupPids::open(&dirs).ok(),
            }
        });
    }

    /// Takes over where images and writable layers lie. What was there before stays if these paths
    /// cannot be looked at.
    pub fn set_images(&mut self, images: &Path, containers: &Path) -> io::Result<()> {
        let (images, containers) = (Filesystem::open(images)?, Filesystem::open(containers)?);
        (self.imagefs, self.containerfs) = (Some(images), Some(containers));
        self.drop_shared_containerfs();
        Ok(())
    }

    /// Takes notice where another filesystem lies at a path than did, such as one that was mounted over
    /// it. True if one does.
    pub fn notice_mounts(&mut self) -> bool {
        let watched = [self.imagefs.as_mut(), self.containerfs.as_mut()];
        let mut changed = false;
        for filesystem in watched.into_iter().flatten() {
            if filesystem.has_moved()
                && let Ok(now) = Filesystem::open(filesystem.path())
            {
                *filesystem = now;
                changed = true;
            }
        }
        changed
    }

    fn drop_shared_containerfs(&mut self) {
        let images = self.imagefs.as_ref().map(Filesystem::dev);
        self.containerfs = self.containerfs.take().filter(|fs| Some(fs.dev()) != images);
    }

    /// containerfs, where it is another device than imagefs.
    pub const fn containerfs(&self) -> Option<&Filesystem> {
        self.containerfs.as_ref()
    }

    /// The filesystem that `signal` is about, if it is watched.
    pub fn filesystem_of(&self, signal: Signal) -> Option<&Filesystem> {
        use Signal::{
            AllocatableMemoryAvailable, ContainerfsAvailable, ContainerfsInodesFree,
            ImagefsAvailable, ImagefsInodesFree, LogfsAvailable, LogfsInodesFree, MemoryAvailable,
            NodefsAvailable, NodefsInodesFree, PidAvailable,
        };
        match signal {
            NodefsAvailable | NodefsInodesFree => Some(&self.nodefs),
            ImagefsAvailable | ImagefsInodesFree => self.imagefs(),
            ContainerfsAvailable | ContainerfsInodesFree => self.containerfs().or(self.imagefs()),
            LogfsAvailable | LogfsInodesFree => self.logfs(),
            MemoryAvailable | AllocatableMemoryAvailable | PidAvailable => None,
        }
    }

    /// nodefs.
    pub const fn nodefs(&self) -> &Filesystem {
        &self.nodefs
    }

    /// imagefs, if it is watched.
    pub const fn imagefs(&self) -> Option<&Filesystem> {
        self.imagefs.as_ref()
    }

    /// The filesystem of container logs, if it is watched and lies apart from nodefs (E-46).
    pub const fn logfs(&self) -> Option<&Filesystem> {
        self.logfs.as_ref()
    }

    /// Which filesystems hold what: imagefs is dedicated if it is another device than nodefs (S-23), and
    /// the disk is split if writable layers stayed on nodefs then (S-24).
    pub fn fs_layout(&self) -> FsLayout {
        let nodefs = self.nodefs.dev();
        let layers = self.containerfs.as_ref().map(Filesystem::dev);
        match &self.imagefs {
            Some(imagefs) if imagefs.dev() != nodefs && layers == Some(nodefs) => FsLayout::Split,
            Some(imagefs) if imagefs.dev() != nodefs => FsLayout::DedicatedImagefs,
            Some(_) | None => FsLayout::Single,
        }
    }

    /// Every signal, sampled now.
    pub fn signals(&self, now: MonoTime) -> NodeSignals {
        let mut signals = NodeSignals::default();
        self.memory_only(&mut signals, now);
        self.disks_only(&mut signals, now);
        self.pids_only(&mut signals, now);
        signals
    }

    /// Renews the memory signals alone: the fast look.
    pub fn memory_only(&self, signals: &mut NodeSignals, now: MonoTime) {
        signals.set(Signal::MemoryAvailable, self.memory.available(now));
        let pods = self.pods.as_ref().and_then(|p| p.memory.as_ref());
        signals
            .set(Signal::AllocatableMemoryAvailable, pods.and_then(|memory| memory.available(now)));
    }

    /// Renews the file system signals alone. containerfs is the same object as imagefs unless a runtime
    /// tells another (S-17).
    pub fn disks_only(&self, signals: &mut NodeSignals, now: MonoTime) {
        let nodefs = self.nodefs.sample(now);
        signals.set(Signal::NodefsAvailable, nodefs.map(|s| s.bytes));
        signals.set(Signal::NodefsInodesFree, nodefs.and_then(|s| s.inodes));
        let logfs = self.logfs.as_ref().and_then(|f| f.sample(now));
        signals.set(Signal::LogfsAvailable, logfs.map(|s| s.bytes));
        signals.set(Signal::LogfsInodesFree, logfs.and_then(|s| s.inodes));
        let imagefs = self.imagefs.as_ref().and_then(|f| f.sample(now));
        let containerfs = match &self.containerfs {
            Some(apart) => apart.sample(now),
            None => imagefs,
        };
        for (seen, bytes, inodes) in [
            (imagefs, Signal::ImagefsAvailable, Signal::ImagefsInodesFree),
            (containerfs, Signal::ContainerfsAvailable, Signal::ContainerfsInodesFree),
        ] {
            signals.set(bytes, seen.map(|s| s.bytes));
            signals.set(inodes, seen.and_then(|s| s.inodes));
        }
    }

    /// Renews `pid.available` alone.
    pub fn pids_only(&self, signals: &mut NodeSignals, now: MonoTime) {
        let node = self.pids.available(now);
        let pods = self
            .pods
            .as_ref()
            .filter(|_| self.pods_pids_limit)
            .and_then(|p| p.pids.as_ref())
            .and_then(|pids| pids.available(now));
        signals.set(Signal::PidAvailable, tighter(node, pods));
    }
}

/// The path, or the nearest directory above it that is there: what is to be made lies on the same
/// filesystem.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CgroupKind, CgroupMounts};

    fn sources<'a>(proc: &'a Path, nodefs: &'a Path) -> NodeSources<'a> {
        NodeSources {
            proc,
            nodefs,
            imagefs: None,
            containerfs: None,
            logs: None,
            memory: MemorySource::Available,
            pods_pids_limit: true,
        }
    }

    #[test]
    fn imagefs_is_dedicated_on_a_device_of_its_own() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mounts = CgroupMounts {
            kind: CgroupKind::V2,
            unified: Some(dir.path().to_owned()),
            memory: None,
            pids: None,
            freezer: None,
        };
        let tree = CgroupTree::open(&mounts, Path::new("kubepods")).expect("tree");
        let proc = Path::new("/proc");
        let here = dir.path();
        for (imagefs, containerfs, expected) in [
            (None, None, FsLayout::Single),
            (Some(here), None, FsLayout::Single),
            (Some(here), Some(here), FsLayout::Single),
            (Some(proc), None, FsLayout::DedicatedImagefs),
            (Some(proc), Some(proc), FsLayout::DedicatedImagefs),
            (Some(proc), Some(here), FsLayout::Split),
        ] {
            let sources = NodeSources { imagefs, containerfs, ..sources(proc, here) };
            let sampler = NodeSampler::open(sources, &tree).expect("sampler");
            assert_eq!(sampler.fs_layout(), expected, "{imagefs:?}");
            let signals = sampler.signals(MonoTime::default());
            let known = signals.get(Signal::ImagefsAvailable).is_some();
            assert_eq!(known, imagefs.is_some(), "{imagefs:?}");
            assert_eq!(signals.get(Signal::AllocatableMemoryAvailable), None, "no pods cgroup");
        }
    }

    #[test]
    fn logs_are_watched_where_they_lie_apart() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mounts = CgroupMounts::parse("cgroup2 / cgroup2 rw 0 0").expect("one hierarchy");
        let tree = CgroupTree::open(&mounts, Path::new("kubepods")).expect("tree");
        let proc = Path::new("/proc");
        let to_be_made = proc.join("not/there/yet");
        for (logs, apart) in
            [(None, false), (Some(dir.path()), false), (Some(to_be_made.as_path()), true)]
        {
            let sources = NodeSources { logs, ..sources(proc, dir.path()) };
            let sampler = NodeSampler::open(sources, &tree).expect("sampler");
            assert_eq!(sampler.logfs().is_some(), apart, "{logs:?}");
            let seen = sampler.signals(MonoTime::default()).get(Signal::LogfsAvailable);
            assert_eq!(seen.is_some(), apart, "{logs:?}");
        }
    }

    #[test]
    fn a_missing_source_is_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mounts = CgroupMounts::parse("cgroup2 / cgroup2 rw 0 0").expect("one hierarchy");
        let tree = CgroupTree::open(&mounts, Path::new("kubepods")).expect("tree");
        let missing = dir.path().join("missing");
        let sources = sources(Path::new("/proc"), &missing);
        let error = NodeSampler::open(sources, &tree).expect_err("missing").to_string();
        let expected = format!("cannot read nodefs at {}: ", missing.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
