//! Does one write path, in the process that calls: `evictd-paths write`, in a cgroup of its own.

mod aio;
mod calls;
mod copies;
mod mapping;
mod space;
mod uring;

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::{OFlags, syncfs};

use super::path::{BYTES, WritePath};

/// Bytes of a request.
const CHUNK: usize = 64 << 10;
/// `O_DIRECT` wants memory and offsets to be multiples of this.
const ALIGNMENT: usize = 4096;

/// Why a path was not done to its end.
#[derive(Debug)]
pub enum Failure {
    /// This kernel or this filesystem has no such path.
    Unable(String),
    /// It has, and it went wrong.
    Failed(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// The first step of a path, without which there is no path: `what` names it.
fn unable(what: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Unable(format!("{what}: {error}"))
}

/// What a path works on.
pub struct Work<'a> {
    /// The file to write to; not there yet.
    pub file: &'a Path,
    /// A file of [`BYTES`] on the same filesystem.
    pub source: &'a Path,
    /// Called when all that was done so far is on the disk.
    pub settled: &'a mut dyn FnMut(Settled) -> io::Result<()>,
}

/// What a file holds when its filesystem was just written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settled {
    /// Bytes written to it so far.
    pub written: u64,
    /// Bytes of its blocks, as `stat` says.
    pub blocks: u64,
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Work<'_> {
    /// Makes the file.
    fn create(&self) -> io::Result<File> {
        self.create_with(OFlags::empty())
    }

    fn create_with(&self, flags: OFlags) -> io::Result<File> {
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).custom_flags(flags).open(self.file)
    }

    /// Waits for the disk, then for whoever looks.
    fn settle(&mut self, file: &File, written: u64) -> io::Result<()> {
        syncfs(file)?;
        let blocks = file.metadata()?.blocks() * 512;
        (self.settled)(Settled { written, blocks })
    }
}

/// Does the path; the file is there, and closed, when it returns.
pub fn perform(path: WritePath, work: &mut Work<'_>) -> Result<(), Failure> {
    match path {
        WritePath::Write => calls::write(work, CHUNK, BYTES),
        WritePath::Pwrite => calls::pwrite(work),
        WritePath::Writev => calls::writev(work),
        WritePath::Pwritev2 => calls::pwritev2(work),
        WritePath::Append => calls::append(work),
        WritePath::Small => calls::write(work, 100, BYTES / 4),
        WritePath::Overwrite => calls::overwrite(work),
        WritePath::Direct => calls::direct(work),
        WritePath::Aio => aio::aio(work, Cache::Used),
        WritePath::AioDirect => aio::aio(work, Cache::Bypassed),
        WritePath::IoUring => uring::io_uring(work, Cache::Used),
        WritePath::IoUringDirect => uring::io_uring(work, Cache::Bypassed),
        WritePath::Splice => copies::splice(work),
        WritePath::Sendfile => copies::sendfile(work),
        WritePath::CopyFileRange => copies::copy_file_range(work),
        WritePath::Mmap => mapping::mmap_stores(work),
        WritePath::MmapAgain => mapping::mmap_stores_again(work),
        WritePath::Fallocate => space::fallocate(work),
        WritePath::Truncate => space::truncate(work),
        WritePath::UnlinkOpen => space::unlink_while_open(work),
        WritePath::Hole => space::punch_hole(work),
    }
}

/// Whether a request goes through the page cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    Used,
    Bypassed,
}

impl Cache {
    /// Makes the file. Without the cache, half of its blocks are there before: requests to those run
    /// on after submission, others make the filesystem wait for their end.
    fn create(self, work: &Work<'_>) -> Result<File, Failure> {
        match self {
            Self::Used => Ok(work.create()?),
            Self::Bypassed => {
                let file = work.create_with(OFlags::DIRECT).map_err(unable("O_DIRECT"))?;
                space::preallocate(&file, BYTES / 2)?;
                Ok(file)
            }
        }
    }
}

/// Memory to write from, aligned.
struct Block {
    bytes: Vec<u8>,
    start: usize,
}

impl Block {
    fn new(length: usize) -> Self {
        let bytes = vec![b'w'; length + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.bytes.len() - ALIGNMENT + self.start).unwrap_or_default()
    }
}

/// Offsets of the requests that make up `total` bytes.
fn offsets(total: u64) -> impl Iterator<Item = u64> {
    (0..total).step_by(CHUNK)
}
