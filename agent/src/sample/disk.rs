//! What a pod's directories hold on disk: a walk like `du`, bounded.

use std::{
    collections::BTreeSet,
    ffi::CStr,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use evictd_core::DiskUsage;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat},
    io::Errno,
};

/// Deeper trees are not walked to the end: their usage is unknown.
const MAX_DEPTH: u32 = 64;

const OPEN_DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How far one walk may go.
#[derive(Clone, Copy, Debug)]
pub struct DiskLimits {
    /// Files and directories.
    pub entries: u64,
    /// Time.
    pub time: Duration,
}

impl Default for DiskLimits {
    fn default() -> Self {
        Self { entries: 100_000, time: Duration::from_millis(50) }
    }
}

/// Walks directories within limits. Keep one and reuse it.
#[derive(Debug, Default)]
pub struct DiskWalk {
    limits: DiskLimits,
    /// (device, inode) of files with several names, so that they count once.
    linked: BTreeSet<(u64, u64)>,
}

/// The walk ended early; what it has counted is not the usage.
struct Incomplete;

/// A file or directory that a walk has come to.
#[derive(Debug)]
pub struct Found<'a> {
    /// The directory it is in.
    pub dir: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a CStr,
    /// What it is.
    pub stat: &'a Stat,
    /// Inode of the directory right below the walk's own that it is in or is; 0 if there is none.
    pub top: u64,
}

/// Whom a walk tells what it comes to.
struct Visit<'v> {
    /// Each directory right below, with what it holds.
    each: &'v mut dyn FnMut(u64, DiskUsage),
    /// Everything that is counted.
    found: &'v mut dyn FnMut(&Found<'_>),
}

/// A walk under way: its limits hold for all that is measured with it.
pub struct Walk<'a> {
    total: DiskUsage,
    entries_left: u64,
    deadline: Instant,
    device: u64,
    linked: &'a mut BTreeSet<(u64, u64)>,
}

impl DiskWalk {
    /// A walk with those limits.
    pub const fn new(limits: DiskLimits) -> Self {
        Self { limits, linked: BTreeSet::new() }
    }

    /// Begins to walk; the limits count from now.
    pub fn begin(&mut self) -> Walk<'_> {
        self.linked.clear();
        Walk {
            total: DiskUsage::default(),
            entries_left: self.limits.entries,
            deadline: Instant::now() + self.limits.time,
            device: 0,
            linked: &mut self.linked,
        }
    }
}

impl Walk<'_> {
    /// Allocated bytes (`st_blocks` × 512) and inodes of the tree at `path`, on its own device only,
    /// files with several names once. A path that is not there holds nothing. `None` if the limits were
    /// reached or a directory cannot be read.
    pub fn tree(&mut self, path: &CStr) -> Option<DiskUsage> {
        self.tree_seen(path, |_| ())
    }

    /// As [`Self::tree`]; `found` is told of everything that is counted.
    pub fn tree_seen(
        &mut self,
        path: &CStr,
        mut found: impl FnMut(&Found<'_>),
    ) -> Option<DiskUsage> {
        self.total = DiskUsage::default();
        let Some(dir) = self.open(path)? else {
            return Some(self.total);
        };
        let stat = rustix::fs::fstat(&dir).ok()?;
        self.count(&stat).ok()?;
        found(&Found { dir: dir.as_fd(), name: c".", stat: &stat, top: 0 });
        let mut visit = Visit { each: &mut |_, _| (), found: &mut found };
        self.directory(dir.as_fd(), (0, 0), &mut visit).ok()?;
        Some(self.total)
    }

    /// As [`Self::tree_seen`], without the directory at `path` itself. `each` is told the inode of every
    /// directory in it, with what that holds, itself not counted.
    pub fn contents(
        &mut self,
        path: &CStr,
        mut each: impl FnMut(u64, DiskUsage),
        mut found: impl FnMut(&Found<'_>),
    ) -> Option<DiskUsage> {
        self.total = DiskUsage::default();
        if let Some(dir) = self.open(path)? {
            let mut visit = Visit { each: &mut each, found: &mut found };
            self.directory(dir.as_fd(), (0, 0), &mut visit).ok()?;
        }
        Some(self.total)
    }

    /// True the first time that a file with that status is met in this walk. For files that are not come to
    /// by a name.
    pub fn meet(&mut self, stat: &Stat) -> bool {
        self.linked.insert((stat.st_dev, stat.st_ino))
    }

    /// `Some(None)` if it is not there.
    fn open(&mut self, path: &CStr) -> Option<Option<OwnedFd>> {
        match rustix::fs::open(path, OPEN_DIR, Mode::empty()) {
            Ok(dir) => {
                self.device = rustix::fs::fstat(&dir).ok()?.st_dev;
                Some(Some(dir))
            }
            Err(Errno::NOENT) => Some(None),
            Err(_) => None,
        }
    }

    fn count(&mut self, stat: &Stat) -> Result<(), Incomplete> {
        // The clock is read only now and then: it costs as much as the rest.
        let due = self.entries_left.is_multiple_of(64);
        self.entries_left = self.entries_left.checked_sub(1).ok_or(Incomplete)?;
        if due && Instant::now() > self.deadline {
            return Err(Incomplete);
        }
        let blocks = u64::try_from(stat.st_blocks).unwrap_or_default();
        self.total.bytes = self.total.bytes.saturating_add(blocks.saturating_mul(512));
        self.total.inodes += 1;
        Ok(())
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        (depth, top): (u32, u64),
        visit: &mut Visit<'_>,
    ) -> Result<(), Incomplete> {
        if depth > MAX_DEPTH {
            return Err(Incomplete);
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|_| Incomplete)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Deleted meanwhile.
                Err(Errno::NOENT) => continue,
                Err(_) => return Err(Incomplete),
            };
            if stat.st_dev != self.device {
                continue;
            }
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if !is_dir && stat.st_nlink > 1 && !self.linked.insert((stat.st_dev, stat.st_ino)) {
                continue;
            }
            self.count(&stat)?;
            let top = if depth == 0 && is_dir { stat.st_ino } else { top };
            (visit.found)(&Found { dir, name, stat: &stat, top });
            if is_dir {
                let before = self.total;
                match rustix::fs::openat(dir, name, OPEN_DIR, Mode::empty()) {
                    Ok(child) => self.directory(child.as_fd(), (depth + 1, top), visit)?,
                    Err(Errno::NOENT) => {}
                    Err(_) => return Err(Incomplete),
                }
                if depth == 0 {
                    (visit.each)(stat.st_ino, since(self.total, before));
                }
            }
        }
        Ok(())
    }
}

const fn since(now: DiskUsage, before: DiskUsage) -> DiskUsage {
    DiskUsage {
        bytes: now.bytes.saturating_sub(before.bytes),
        inodes: now.inodes.saturating_sub(before.inodes),
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::CString, fs, os::unix::ffi::OsStrExt, path::Path};

    use super::*;

    fn c(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).expect("no NUL")
    }

    fn blocks(path: &Path) -> u64 {
        u64::try_from(rustix::fs::lstat(path).expect("stat").st_blocks).expect("fits") * 512
    }

    #[test]
    fn counts_blocks_and_inodes_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (file, sub) = (dir.path().join("0.log"), dir.path().join("sub"));
        fs::create_dir(&sub).expect("mkdir");
        fs::write(&file, vec![1; 20_000]).expect("write");
        fs::hard_link(&file, sub.join("again")).expect("link");
        fs::write(sub.join("b"), "x").expect("write");
        std::os::unix::fs::symlink("/etc", sub.join("etc")).expect("symlink");
        let inodes = [dir.path().to_owned(), file, sub.clone(), sub.join("b"), sub.join("etc")];
        let bytes = inodes.iter().map(|p| blocks(p)).sum();

        let missing = c(&dir.path().join("missing"));
        let mut walk = DiskWalk::default();
        let mut walk = walk.begin();
        let usage = walk.tree(&c(dir.path()));
        assert_eq!(usage, Some(DiskUsage { bytes, inodes: inodes.len() as u64 }));
        assert_eq!(walk.tree(&missing), Some(DiskUsage::default()));
    }

    #[test]
    fn beyond_a_limit_usage_is_unknown() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for i in 0..9 {
            fs::write(dir.path().join(i.to_string()), "x").expect("write");
        }
        let path = c(dir.path());
        let time = Duration::from_secs(3600);
        for (entries, known) in [(10, true), (9, false), (0, false)] {
            let mut walk = DiskWalk::new(DiskLimits { entries, time });
            assert_eq!(walk.begin().tree(&path).is_some(), known, "{entries}");
        }
        let mut late = DiskWalk::new(DiskLimits { entries: 64, time: Duration::ZERO });
        assert_eq!(late.begin().tree(&path), None, "out of time");
    }

    #[test]
    fn contents_are_told_by_directory() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in ["a", "b"] {
            fs::create_dir_all(dir.path().join(name).join("deep")).expect("mkdir");
            fs::write(dir.path().join(name).join("deep/0.log"), vec![1; 9000]).expect("write");
        }
        fs::write(dir.path().join("b/1.log"), "x").expect("write");
        fs::write(dir.path().join("loose"), "x").expect("write");
        let mut walk = DiskWalk::default();
        let (mut each, mut found) = (Vec::new(), Vec::new());
        let sum = walk.begin().contents(
            &c(dir.path()),
            |inode, usage| each.push((inode, usage)),
            |file| found.push((file.name.to_owned(), file.top)),
        );
        let inode = |name: &str| rustix::fs::stat(dir.path().join(name)).expect("stat").st_ino;
        let of = |name| each.iter().find(|(i, _)| *i == inode(name)).map(|(_, usage)| usage.inodes);
        assert_eq!((of("a"), of("b"), each.len()), (Some(2), Some(3), 2));
        assert_eq!(sum.map(|sum| sum.inodes), Some(8));
        let top = |name: &CStr| found.iter().find(|(found, _)| **found == *name).map(|f| f.1);
        assert_eq!((top(c"1.log"), top(c"b")), (Some(inode("b")), Some(inode("b"))));
        assert_eq!((top(c"loose"), found.len()), (Some(0), 8));
    }
}
