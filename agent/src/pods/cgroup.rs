//! Pod cgroups, held by directory file descriptors in every hierarchy in use.

use std::{
    ffi::{CStr, CString},
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, RawDir},
    io::Errno,
};
use thiserror::Error;

use crate::sample::CgroupMounts;

/// The same cgroup in each hierarchy in use, as `O_PATH` directory descriptors. The named ones are
/// v1 hierarchies.
#[derive(Debug, Default)]
pub struct CgroupDirs {
    /// The v2 hierarchy.
    pub unified: Option<OwnedFd>,
    /// The v1 memory controller.
    pub memory: Option<OwnedFd>,
    /// The v1 pids controller.
    pub pids: Option<OwnedFd>,
    /// The v1 freezer.
    pub freezer: Option<OwnedFd>,
}

impl CgroupDirs {
    /// The directory whose inode identifies the cgroup: v2 where there is one.
    pub fn identity(&self) -> Option<&OwnedFd> {
        self.each().into_iter().flatten().next()
    }

    /// The v1 directories, the freezer's first.
    pub fn v1(&self) -> impl Iterator<Item = &OwnedFd> {
        [&self.freezer, &self.pids, &self.memory].into_iter().flatten()
    }

    /// Every hierarchy; the order is the one in which [`Self::identity`] chooses.
    pub fn each(&self) -> [Option<&OwnedFd>; 4] {
        [self.unified.as_ref(), self.pids.as_ref(), self.memory.as_ref(), self.freezer.as_ref()]
    }

    /// Opens `path` below each of these.
    fn open_below(&self, path: &CStr) -> Self {
        let open = |dir: &Option<OwnedFd>| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(dir.as_ref()?, path, flags, Mode::empty()).ok()
        };
        Self {
            unified: open(&self.unified),
            memory: open(&self.memory),
            pids: open(&self.pids),
            freezer: open(&self.freezer),
        }
    }
}

/// A hierarchy could not be opened.
#[derive(Debug, Error)]
#[error("cannot open the cgroup hierarchy at {path}: {source}")]
pub struct CgroupTreeError {
    /// Its mount point.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// The roots of the hierarchies in use and the place of the pods below them.
#[derive(Debug)]
pub struct CgroupTree {
    roots: CgroupDirs,
    pods: CString,
}

impl CgroupTree {
    /// Opens the hierarchies; `pods` is the pods cgroup relative to their roots.
    pub fn open(mounts: &CgroupMounts, pods: &Path) -> Result<Self, CgroupTreeError> {
        let open = |path: &Option<PathBuf>| {
            path.as_deref().map(open_dir).transpose().map_err(|source| CgroupTreeError {
                path: path.clone().unwrap_or_default(),
                source,
            })
        };
        let roots = CgroupDirs {
            unified: open(&mounts.unified)?,
            memory: open(&mounts.memory)?,
            pids: open(&mounts.pids)?,
            freezer: open(&mounts.freezer)?,
        };
        let pods =
            c_path(pods).map_err(|source| CgroupTreeError { path: pods.to_owned(), source })?;
        Ok(Self { roots, pods })
    }

    /// The roots of the hierarchies.
    pub const fn roots(&self) -> &CgroupDirs {
        &self.roots
    }

    /// The pods cgroup, relative to the roots.
    pub fn pods_path(&self) -> &CStr {
        &self.pods
    }

    /// Looks for pods below `pods` from now on; false if that is no path.
    pub(super) fn set_pods(&mut self, pods: &Path) -> bool {
        let path = c_path(pods);
        let is_path = path.is_ok();
        self.pods = path.unwrap_or_else(|_| std::mem::take(&mut self.pods));
        is_path
    }

    /// Whether there is a cgroup at `relative`.
    pub(super) fn has(&self, relative: &Path) -> bool {
        c_path(relative).is_ok_and(|path| self.inode(&path).is_some())
    }

    /// Inode of the pods cgroup, if there is one.
    pub fn pods_inode(&self) -> Option<u64> {
        self.inode(&self.pods)
    }

    /// The pods cgroup in each hierarchy that has it.
    pub fn open_pods(&self) -> CgroupDirs {
        self.roots.open_below(&self.pods)
    }

    /// The cgroup at `relative` in each hierarchy that has it.
    pub fn open_dirs(&self, relative: &CStr) -> CgroupDirs {
        self.roots.open_below(relative)
    }

    /// The inode that the cgroup at `relative` has now, if there is one.
    pub fn inode(&self, relative: &CStr) -> Option<u64> {
        self.lookup(relative).ok()
    }

    /// As [`Self::inode`], with the reason when there is none.
    pub(crate) fn lookup(&self, relative: &CStr) -> Result<u64, Errno> {
        let root = self.roots.identity().ok_or(Errno::NOENT)?;
        Ok(rustix::fs::statat(root, relative, AtFlags::SYMLINK_NOFOLLOW)?.st_ino)
    }

    /// Opens the cgroup at `relative`; `None` if it does not exist.
    pub fn join(&self, relative: &CStr) -> Option<PodCgroup> {
        let dirs = self.roots.open_below(relative);
        // The identity must come from the hierarchy that `lookup` asks, or none is held.
        if self.roots.unified.is_some() && dirs.unified.is_none() {
            return None;
        }
        let inode = rustix::fs::fstat(dirs.identity()?).ok()?.st_ino;
        let mut cgroup =
            PodCgroup { relative: relative.to_owned(), inode, dirs, containers: Vec::new() };
        cgroup.refresh_containers();
        Some(cgroup)
    }

    /// True if a hierarchy that has no directory of `cgroup` yet should be asked again.
    pub fn is_partial(&self, cgroup: &PodCgroup) -> bool {
        self.roots
            .each()
            .iter()
            .zip(cgroup.dirs.each())
            .any(|(root, dir)| root.is_some() && dir.is_none())
    }
}

/// The cgroup of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerCgroup {
    /// Inode of its directory in the identifying hierarchy.
    pub inode: u64,
    /// Name of its directory, which holds the container's id.
    pub directory: String,
}

impl ContainerCgroup {
    /// The container's id: the name without what runtime and driver put around it. CRI-O's monitor of a
    /// container has a cgroup of its own, and keeps its whole name.
    pub fn id(&self) -> &str {
        let name = self.directory.strip_suffix(".scope").unwrap_or(&self.directory);
        if name.starts_with("crio-conmon-") {
            return name;
        }
        name.rsplit_once('-').map_or(name, |(_, id)| id)
    }
}

/// One pod's cgroup, held open.
#[derive(Debug)]
pub struct PodCgroup {
    relative: CString,
    inode: u64,
    dirs: CgroupDirs,
    containers: Vec<ContainerCgroup>,
}

impl PodCgroup {
    /// Its path relative to the root of each hierarchy.
    pub fn relative(&self) -> &CStr {
        &self.relative
    }

    /// Inode of its directory in the identifying hierarchy.
    pub const fn inode(&self) -> u64 {
        self.inode
    }

    /// Its directories.
    pub const fn dirs(&self) -> &CgroupDirs {
        &self.dirs
    }

    /// Its containers' cgroups.
    pub fn containers(&self) -> &[ContainerCgroup] {
        &self.containers
    }

    /// Lists the containers again; true if they changed. Allocates only then.
    pub(super) fn refresh_containers(&mut self) -> bool {
        let Some(dir) = self.dirs.identity() else {
            return false;
        };
        let (mut count, mut all_known) = (0, true);
        let listed = for_each_dir(dir, |_, inode| {
            count += 1;
            all_known &= self.containers.iter().any(|known| known.inode == inode);
        });
        if listed.is_ok() && all_known && count == self.containers.len() {
            return false;
        }
        let mut containers = Vec::new();
        // A cgroup that goes away meanwhile has no containers.
        let _ = for_each_dir(dir, |name, inode| {
            let directory = name.to_string_lossy().into_owned();
            containers.push(ContainerCgroup { inode, directory });
        });
        let changed = containers != self.containers;
        self.containers = containers;
        changed
    }
}

/// Opens a directory as a handle for lookups.
fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// A path as the kernel wants it.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Calls `visit` with name and inode of every directory in `dir`. Allocates nothing.
pub(crate) fn for_each_dir(dir: impl AsFd, mut visit: impl FnMut(&CStr, u64)) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed = rustix::fs::openat(&dir, c".", flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&listed, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let is_dir = match entry.file_type() {
            FileType::Directory => true,
            // Some file systems do not tell.
            FileType::Unknown => rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory),
            FileType::RegularFile
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => false,
        };
        if is_dir {
            visit(name, entry.ino());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_are_read_from_directory_names() {
        let cases = [
            ("containerd and cri-dockerd, cgroupfs", "0123abc", "0123abc"),
            ("containerd, systemd", "cri-containerd-0123abc.scope", "0123abc"),
            ("CRI-O, cgroupfs", "crio-0123abc", "0123abc"),
            ("CRI-O, systemd", "crio-0123abc.scope", "0123abc"),
            ("CRI-O's monitor, cgroupfs", "crio-conmon-0123abc", "crio-conmon-0123abc"),
            ("CRI-O's monitor, systemd", "crio-conmon-0123abc.scope", "crio-conmon-0123abc"),
            ("cri-dockerd, systemd", "docker-0123abc.scope", "0123abc"),
        ];
        for (name, directory, id) in cases {
            let container = ContainerCgroup { inode: 1, directory: directory.to_owned() };
            assert_eq!(container.id(), id, "{name}");
        }
    }
}
