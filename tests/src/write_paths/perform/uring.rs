//! io_uring.

use std::{fs::File, io, os::fd::AsRawFd as _};

use io_uring::{IoUring, opcode, types};

use super::{
    BYTES, Block, CHUNK, Cache, Failure, Work, aio::result, calls::whole, offsets, unable,
};

/// Requests under way at a time.
const DEPTH: usize = 8;

/// Writes the file with several requests at a time.
pub(super) fn io_uring(work: &mut Work<'_>, cache: Cache) -> Result<(), Failure> {
    let entries = u32::try_from(DEPTH).unwrap_or(8);
    let mut ring = IoUring::new(entries).map_err(unable("io_uring_setup"))?;
    let file = cache.create(work)?;
    let block = Block::new(CHUNK);
    for batch in offsets(BYTES).collect::<Vec<u64>>().chunks(DEPTH) {
        write(&mut ring, &file, &block, batch)?;
    }
    Ok(work.settle(&file, BYTES)?)
}

/// Submits requests and waits for all of them.
fn write(ring: &mut IoUring, file: &File, block: &Block, offsets: &[u64]) -> io::Result<()> {
    let (fd, memory) = (types::Fd(file.as_raw_fd()), block.bytes());
    let length = u32::try_from(memory.len()).map_err(io::Error::other)?;
    for at in offsets {
        let request = opcode::Write::new(fd, memory.as_ptr(), length).offset(*at).build();
        // SAFETY: file and memory outlive the request: it is waited for below, and the process ends
        // if that fails.
        unsafe { ring.submission().push(&request) }.map_err(io::Error::other)?;
    }
    ring.submit_and_wait(offsets.len())?;
    let ended: Vec<i32> = ring.completion().map(|entry| entry.result()).collect();
    if ended.len() != offsets.len() {
        return Err(io::Error::other(format!("{} of {} requests", ended.len(), offsets.len())));
    }
    ended.into_iter().try_for_each(|returned| whole(result(returned.into())))
}
