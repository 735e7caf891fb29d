//! The write calls.

use std::{
    fs::OpenOptions,
    io::{self, IoSlice, Write as _},
    os::unix::fs::FileExt as _,
};

use rustix::{
    fs::OFlags,
    io::{ReadWriteFlags, pwritev2 as pwritev2_call},
};

use super::{BYTES, Block, CHUNK, Failure, Work, offsets, unable};

/// `length` bytes a call; the last call writes what is left.
pub(super) fn write(work: &mut Work<'_>, length: usize, total: u64) -> Result<(), Failure> {
    let mut file = work.create()?;
    let block = Block::new(length);
    let mut left = total;
    while left > 0 {
        let now = length.min(usize::try_from(left).unwrap_or(length));
        file.write_all(block.bytes().get(..now).unwrap_or_default())?;
        left -= now as u64;
    }
    Ok(work.settle(&file, total)?)
}

pub(super) fn pwrite(work: &mut Work<'_>) -> Result<(), Failure> {
    let file = work.create()?;
    let block = Block::new(CHUNK);
    for at in offsets(BYTES) {
        file.write_all_at(block.bytes(), at)?;
    }
    Ok(work.settle(&file, BYTES)?)
}

pub(super) fn writev(work: &mut Work<'_>) -> Result<(), Failure> {
    let mut file = work.create()?;
    let block = Block::new(CHUNK);
    for _ in offsets(BYTES) {
        whole(file.write_vectored(&in_three(&block)))?;
    }
    Ok(work.settle(&file, BYTES)?)
}

pub(super) fn pwritev2(work: &mut Work<'_>) -> Result<(), Failure> {
    let file = work.create()?;
    let block = Block::new(CHUNK);
    for at in offsets(BYTES) {
        // Every fourth one waits for the disk.
        let waits = (at / CHUNK as u64).is_multiple_of(4);
        let flags = if waits { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
        let written = pwritev2_call(&file, &in_three(&block), at, flags);
        whole(written.map_err(io::Error::from))?;
    }
    Ok(work.settle(&file, BYTES)?)
}

pub(super) fn append(work: &mut Work<'_>) -> Result<(), Failure> {
    let mut file = OpenOptions::new().append(true).create_new(true).open(work.file)?;
    let block = Block::new(4096);
    for _ in 0..BYTES / 4096 {
        file.write_all(block.bytes())?;
    }
    Ok(work.settle(&file, BYTES)?)
}

/// A megabyte, and four times over it.
pub(super) fn overwrite(work: &mut Work<'_>) -> Result<(), Failure> {
    const LENGTH: u64 = 1 << 20;
    let file = work.create()?;
    let block = Block::new(CHUNK);
    for round in 1..=5 {
        for at in offsets(LENGTH) {
            file.write_all_at(block.bytes(), at)?;
        }
        if round == 1 || round == 5 {
            work.settle(&file, round * LENGTH)?;
        }
    }
    Ok(())
}

pub(super) fn direct(work: &mut Work<'_>) -> Result<(), Failure> {
    let file = work.create_with(OFlags::DIRECT).map_err(unable("O_DIRECT"))?;
    let block = Block::new(CHUNK);
    for at in offsets(BYTES) {
        file.write_all_at(block.bytes(), at)?;
    }
    Ok(work.settle(&file, BYTES)?)
}

fn in_three(block: &Block) -> [IoSlice<'_>; 3] {
    let (first, rest) = block.bytes().split_at(100);
    let (second, third) = rest.split_at(CHUNK / 2);
    [first, second, third].map(IoSlice::new)
}

/// A short write would make the known count wrong.
pub(super) fn whole(written: io::Result<usize>) -> io::Result<()> {
    match written? {
        CHUNK => Ok(()),
        short => Err(io::Error::other(format!("{short} of {CHUNK} bytes written"))),
    }
}
