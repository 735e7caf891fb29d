//! Tells the kernel whose the files are that a walk finds, so that whoever frees them frees the pod's.

use evictd_common::{FileKey, SpaceOwner, kernel_dev};
use rustix::fs::{Mode, OFlags, Stat, major, minor};

use super::accounts::Owners;
use crate::{probe::FileOwners, sample::Found};

/// Why blocks that were counted cannot be relied on for a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// It has more files than the kernel is to remember for it.
    TooManyFiles,
    /// The kernel took no more names.
    Refused,
}

/// Names what one walk of a pod finds.
pub(super) struct Naming<'a> {
    table: &'a mut FileOwners,
    owners: &'a Owners,
    /// Files that may still be named.
    room: usize,
    /// Files that hold blocks and are named.
    pub(super) files: usize,
    pub(super) failed: Option<Unnamed>,
}

impl<'a> Naming<'a> {
    pub(super) const fn new(table: &'a mut FileOwners, owners: &'a Owners, room: usize) -> Self {
        Self { table, owners, room, files: 0, failed: None }
    }

    /// A file below the pod's logs.
    pub(super) fn log(&mut self, found: &Found<'_>) {
        if let Some(owner) = self.owners.of_log(found.top) {
            self.name(found, owner, |known| known == owner);
        }
    }

    /// A file in one of its volumes.
    pub(super) fn volume(&mut self, found: &Found<'_>) {
        let owners = self.owners;
        if let Some(owner) = owners.of_volumes() {
            self.name(found, owner, |known| owners.has_volume(known));
        }
    }

    fn name(
        &mut self,
        found: &Found<'_>,
        owner: SpaceOwner,
        is_named: impl Fn(SpaceOwner) -> bool,
    ) {
        let key = key(found.stat);
        if found.stat.st_blocks == 0 || key.dev != owner.dev || self.failed.is_some() {
            return;
        }
        if self.room == self.files {
            self.failed = Some(Unnamed::TooManyFiles);
            return;
        }
        self.files += 1;
        if self.table.owner_of(key).is_some_and(is_named) {
            return;
        }
        // A file that is open is not freed meanwhile, and its number is no other file's.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(open) = rustix::fs::openat(found.dir, found.name, flags, Mode::empty()) else {
            return;
        };
        let Ok(stat) = rustix::fs::fstat(&open) else {
            return;
        };
        self.own(&stat, owner);
    }

    /// A file without a name that a process of the pod holds open; the caller holds it too.
    pub(super) fn nameless(&mut self, stat: &Stat) {
        if let Some(owner) = self.owners.of_volumes() {
            self.files += 1;
            if !self.table.owner_of(key(stat)).is_some_and(|known| self.owners.has_volume(known)) {
                self.own(stat, owner);
            }
        }
    }

    fn own(&mut self, stat: &Stat, owner: SpaceOwner) {
        let bytes = stat.st_blocks.saturating_mul(512);
        if self.table.own(key(stat), owner, bytes).is_err() {
            self.failed = Some(Unnamed::Refused);
        }
    }
}

/// The kernel's key of a file.
pub(super) fn key(stat: &Stat) -> FileKey {
    let dev = kernel_dev(major(stat.st_dev), minor(stat.st_dev));
    FileKey { inode: stat.st_ino, dev, reserved: 0 }
}
