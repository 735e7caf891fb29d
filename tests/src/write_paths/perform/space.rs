//! Space taken without writing, and given back.

use std::{
    fs::{self, File},
    io::Write as _,
};

use rustix::fs::FallocateFlags;

use super::{BYTES, Block, CHUNK, Failure, Work, offsets, unable};

/// Gives the file blocks for its first `length` bytes.
pub(super) fn preallocate(file: &File, length: u64) -> Result<(), Failure> {
    let done = rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length);
    done.map_err(|error| unable("fallocate")(error.into()))
}

pub(super) fn fallocate(work: &mut Work<'_>) -> Result<(), Failure> {
    let file = work.create()?;
    preallocate(&file, BYTES)?;
    Ok(work.settle(&file, 0)?)
}

pub(super) fn truncate(work: &mut Work<'_>) -> Result<(), Failure> {
    let mut file = work.create()?;
    fill(&mut file, BYTES)?;
    work.settle(&file, BYTES)?;
    for length in [BYTES / 4, 0] {
        file.set_len(length)?;
        work.settle(&file, BYTES)?;
    }
    Ok(())
}

/// What it takes without a name stays until it is closed.
pub(super) fn unlink_while_open(work: &mut Work<'_>) -> Result<(), Failure> {
    let mut file = work.create()?;
    fill(&mut file, BYTES / 2)?;
    fs::remove_file(work.file)?;
    fill(&mut file, BYTES / 2)?;
    Ok(work.settle(&file, BYTES)?)
}

pub(super) fn punch_hole(work: &mut Work<'_>) -> Result<(), Failure> {
    let mut file = work.create()?;
    fill(&mut file, BYTES)?;
    work.settle(&file, BYTES)?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let done = rustix::fs::fallocate(&file, flags, BYTES / 4, BYTES / 2);
    done.map_err(|error| unable("punching a hole")(error.into()))?;
    Ok(work.settle(&file, BYTES)?)
}

/// Writes the file further.
pub(super) fn fill(file: &mut File, total: u64) -> std::io::Result<()> {
    let block = Block::new(CHUNK);
    offsets(total).try_for_each(|_| file.write_all(block.bytes()))
}
