//! Whose files are: told to the kernel by who walks directories.

use std::os::fd::AsFd as _;

use aya::{
    Ebpf,
    maps::{HashMap, Map, MapData, MapError, PerCpuArray, PerCpuHashMap},
};
use evictd_common::{FileKey, Growing, Held, Space, SpaceOwner};

use super::{
    counters::{account, zeros},
    load::LoadError,
    reader::again,
};

/// `BPF_NOEXIST`
const IF_ABSENT: u64 = 1;

/// The kernel's table of files and the accounts of their owners, with descriptors of its own, for a thread
/// that walks.
pub struct FileOwners {
    space: PerCpuHashMap<MapData, SpaceOwner, Space>,
    inodes: HashMap<MapData, FileKey, Held>,
    growing: PerCpuArray<MapData, Growing>,
    capacity: usize,
}

impl FileOwners {
    /// Opens the maps of a loaded object again. To be called before
    /// [`Counters::take`](super::Counters::take), which takes them out of it.
    pub fn open(ebpf: &Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            space: again(ebpf, "SPACE")?,
            inodes: again(ebpf, "INODES")?,
            growing: again(ebpf, "GROWING")?,
            capacity: capacity(ebpf),
        })
    }

    /// Files that the kernel has room for.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// An owner's account; `None` if it has none yet.
    pub fn space_of(&self, owner: SpaceOwner) -> Option<Space> {
        account(&self.space, &self.growing, &self.inodes, owner)
    }

    /// Who owns a file; `None` if that is not known.
    pub fn owner_of(&self, file: FileKey) -> Option<SpaceOwner> {
        let held = self.inodes.get(&file, 0).ok()?;
        let Held { owner, is_log_directory, .. } = held;
        Some(SpaceOwner { id: owner, dev: file.dev, is_log_directory })
    }

    /// Names the owner of a file that a walk has found to hold `bytes` (of blocks): what changes from there
    /// on is the owner's. A file that is known keeps what it was seen to hold. The caller keeps the file
    /// from being freed meanwhile, by a descriptor.
    pub fn own(&mut self, file: FileKey, owner: SpaceOwner, bytes: i64) -> Result<(), MapError> {
        if self.space.get(&owner, 0).is_err() {
            self.space.insert(owner, zeros(Space::default())?, IF_ABSENT).or_else(if_known)?;
        }
        let SpaceOwner { id, is_log_directory, .. } = owner;
        let found = Held { owner: id, is_log_directory, reserved: 0, bytes, looks: 1 };
        match self.inodes.get(&file, 0) {
            Ok(known) if known.owner == id && known.is_log_directory == is_log_directory => Ok(()),
            Ok(known) => {
                let Held { bytes, looks, .. } = known;
                self.inodes.insert(file, Held { bytes, looks, ..found }, 0)
            }
            // The kernel may meet it at this moment: then it knows better.
            Err(_) => self.inodes.insert(file, found, IF_ABSENT).or_else(if_known),
        }
    }
}

/// Being there already is as good as being put there.
fn if_known(error: MapError) -> Result<(), MapError> {
    let is_known = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AlreadyExists;
    if let MapError::SyscallError(call) = &error
        && is_known(&call.io_error)
    {
        return Ok(());
    }
    Err(error)
}

/// Entries of the table of files; none if that cannot be told, so that nothing is relied on.
fn capacity(ebpf: &Ebpf) -> usize {
    let Some(Map::LruHashMap(data)) = ebpf.map("INODES") else {
        return 0;
    };
    let duplicate = data.fd().as_fd().try_clone_to_owned().map_err(MapError::IoError);
    let info = duplicate.and_then(MapData::from_fd).and_then(|data| data.info());
    info.map_or(0, |info| usize::try_from(info.max_entries()).unwrap_or(0))
}
