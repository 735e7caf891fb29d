//! Free space and inodes of a file system.

use std::{
    ffi::CString,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use evictd_core::{MonoTime, SignalObservation};

use super::{memory::left_of, superblock};

/// The file system that holds a path (S-16). The path is looked up at each sample, so that a
/// remount is followed and nothing is kept busy.
#[derive(Debug)]
pub struct Filesystem {
    path: PathBuf,
    c_path: CString,
    dev: u64,
    superblock: u64,
}

/// Free space of a file system at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesystemSample {
    /// Bytes, as an unprivileged writer sees them (`f_bavail`).
    pub bytes: SignalObservation,
    /// Inodes; `None` where the file system does not count them.
    pub inodes: Option<SignalObservation>,
}

impl Filesystem {
    /// The file system that holds `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let c_path = CString::new(path.as_os_str().as_bytes())?;
        let dev = rustix::fs::stat(c_path.as_c_str())?.st_dev;
        let superblock = superblock::device(path).unwrap_or(dev);
        Ok(Self { path: path.to_owned(), c_path, dev, superblock })
    }

    /// The path it was found by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `st_dev` of the path, as user space numbers devices.
    pub const fn dev(&self) -> u64 {
        self.dev
    }

    /// Device of the superblock, numbered like `st_dev`. It differs from that on btrfs, where each
    /// subvolume has an `st_dev` of its own.
    pub const fn superblock_dev(&self) -> u64 {
        self.superblock
    }

    /// Whether its path leads to another device than when it was opened.
    pub fn has_moved(&self) -> bool {
        rustix::fs::stat(self.c_path.as_c_str()).is_ok_and(|now| now.st_dev != self.dev)
    }

    /// Free space now (S-6); `None` if it cannot be told.
    pub fn sample(&self, now: MonoTime) -> Option<FilesystemSample> {
        let s = rustix::fs::statvfs(self.c_path.as_c_str()).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(s.f_frsize);
        let left = |capacity: u64, available: u64| {
            left_of(capacity, capacity.saturating_sub(available), now)
        };
        Some(FilesystemSample {
            bytes: left(bytes(s.f_blocks), bytes(s.f_bavail)),
            inodes: (s.f_files > 0).then(|| left(s.f_files, s.f_ffree)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_agrees_with_statvfs() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let filesystem = Filesystem::open(dir.path()).expect("open");
        let before = rustix::fs::statvfs(dir.path()).expect("statvfs");
        let sample = filesystem.sample(MonoTime::default()).expect("sample");
        let capacity = i64::try_from(before.f_blocks * before.f_frsize).expect("fits");
        assert_eq!(sample.bytes.capacity, capacity);
        assert!((0..=capacity).contains(&sample.bytes.available));
        assert_eq!(sample.inodes.is_some(), before.f_files > 0);
        assert_eq!(filesystem.dev(), rustix::fs::stat(dir.path()).expect("stat").st_dev);
    }

    #[test]
    fn a_vanished_path_is_unknown_not_full() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let filesystem = Filesystem::open(dir.path()).expect("open");
        dir.close().expect("removed");
        assert_eq!(filesystem.sample(MonoTime::default()), None);
    }
}
