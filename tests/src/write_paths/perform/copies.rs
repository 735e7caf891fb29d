//! Calls by which the kernel moves bytes from one file to another.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::fd::AsFd as _,
};

use rustix::{
    fs::ioctl_ficlone,
    pipe::{SpliceFlags, pipe, splice as splice_call},
};

use super::{BYTES, Block, CHUNK, Failure, Work, offsets, unable};

pub(super) fn splice(work: &mut Work<'_>) -> Result<(), Failure> {
    let file = work.create()?;
    let (out, into) = pipe()?;
    let mut into = File::from(into);
    let block = Block::new(CHUNK);
    for _ in offsets(BYTES) {
        into.write_all(block.bytes())?;
        all_of(CHUNK as u64, |left| {
            splice_call(&out, None, &file, None, left, SpliceFlags::empty())
        })?;
    }
    Ok(work.settle(&file, BYTES)?)
}

pub(super) fn sendfile(work: &mut Work<'_>) -> Result<(), Failure> {
    let (source, file) = (File::open(work.source)?, work.create()?);
    all_of(BYTES, |left| rustix::fs::sendfile(&file, &source, None, left))?;
    Ok(work.settle(&file, BYTES)?)
}

/// Where files can share blocks the kernel lets them: nothing is written then.
pub(super) fn copy_file_range(work: &mut Work<'_>) -> Result<(), Failure> {
    let source = File::open(work.source)?;
    let written = if shares_blocks(work, &source)? { 0 } else { BYTES };
    let file = work.create()?;
    let copy = |left| rustix::fs::copy_file_range(&source, None, &file, None, left);
    let copied = copy(usize::try_from(BYTES).unwrap_or(0));
    let copied = copied.map_err(|error| unable("copy_file_range")(error.into()))?;
    all_of(BYTES - copied as u64, copy)?;
    Ok(work.settle(&file, written)?)
}

/// Tries with another file.
fn shares_blocks(work: &Work<'_>, source: &File) -> io::Result<bool> {
    let path = work.file.with_extension("clone");
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let cloned = ioctl_ficlone(file.as_fd(), source.as_fd());
    std::fs::remove_file(path)?;
    Ok(cloned.is_ok())
}

/// Goes on until `total` bytes are moved.
fn all_of(total: u64, mut once: impl FnMut(usize) -> rustix::io::Result<usize>) -> io::Result<()> {
    let mut left = usize::try_from(total).map_err(io::Error::other)?;
    while left > 0 {
        match once(left)? {
            0 => return Err(io::Error::other(format!("{left} bytes short"))),
            moved => left -= moved.min(left),
        }
    }
    Ok(())
}
