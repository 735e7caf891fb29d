//! What a pod's directories hold on disk: a walk like `du`, bounded.

use std::{
    collections::BTreeSet,
    ffi::CStr,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd},
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

struct Walk<'a> {
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

    /// Allocated bytes (`st_blocks` × 512) and inodes of the trees below `paths`, each on its own
    /// device only, files with several names once. A path that is not there holds nothing. `None`
    /// if the limits were reached or a directory cannot be read.
    pub fn measure<'p>(&mut self, paths: impl IntoIterator<Item = &'p CStr>) -> Option<DiskUsage> {
        self.walk(paths, true)
    }

    /// As [`Self::measure`], without the directory at `path` itself.
    pub fn measure_contents(&mut self, path: &CStr) -> Option<DiskUsage> {
        self.walk([path], false)
    }

    fn walk<'p>(
        &mut self,
        paths: impl IntoIterator<Item = &'p CStr>,
        with_roots: bool,
    ) -> Option<DiskUsage> {
        self.linked.clear();
        let mut walk = Walk {
            total: DiskUsage::default(),
            entries_left: self.limits.entries,
            deadline: Instant::now() + self.limits.time,
            device: 0,
            linked: &mut self.linked,
        };
        for path in paths {
            let dir = match rustix::fs::open(path, OPEN_DIR, Mode::empty()) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => continue,
                Err(_) => return None,
            };
            let stat = rustix::fs::fstat(&dir).ok()?;
            walk.device = stat.st_dev;
            if with_roots {
                walk.count(&stat).ok()?;
            }
            walk.directory(dir.as_fd(), 0).ok()?;
        }
        Some(walk.total)
    }
}

impl Walk<'_> {
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

    fn directory(&mut self, dir: BorrowedFd<'_>, depth: u32) -> Result<(), Incomplete> {
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
            if is_dir {
                match rustix::fs::openat(dir, name, OPEN_DIR, Mode::empty()) {
                    Ok(child) => self.directory(child.as_fd(), depth + 1)?,
                    Err(Errno::NOENT) => {}
                    Err(_) => return Err(Incomplete),
                }
            }
        }
        Ok(())
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
        let usage = DiskWalk::default().measure([c(dir.path()).as_c_str(), missing.as_c_str()]);
        assert_eq!(usage, Some(DiskUsage { bytes, inodes: inodes.len() as u64 }));
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
            assert_eq!(walk.measure([path.as_c_str()]).is_some(), known, "{entries}");
        }
        let mut late = DiskWalk::new(DiskLimits { entries: 64, time: Duration::ZERO });
        assert_eq!(late.measure([path.as_c_str()]), None, "out of time");
    }
}
