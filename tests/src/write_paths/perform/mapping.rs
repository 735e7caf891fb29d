//! Stores through a shared mapping.

use std::{fs::File, ptr};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{BYTES, Failure, Work, space::fill};

/// Stores to every byte of a file that has none yet.
pub(super) fn mmap_stores(work: &mut Work<'_>) -> Result<(), Failure> {
    let file = work.create()?;
    file.set_len(BYTES)?;
    store(&file)?;
    Ok(work.settle(&file, BYTES)?)
}

/// Stores to every byte of a file that has its blocks.
pub(super) fn mmap_stores_again(work: &mut Work<'_>) -> Result<(), Failure> {
    let mut file = work.create()?;
    fill(&mut file, BYTES)?;
    work.settle(&file, BYTES)?;
    store(&file)?;
    Ok(work.settle(&file, 2 * BYTES)?)
}

fn store(file: &File) -> Result<(), Failure> {
    let length = usize::try_from(BYTES).unwrap_or(0);
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping of a file that nobody else shortens, written within its length, and
    // unmapped before the file is closed.
    unsafe {
        let at = mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file, 0)?;
        at.cast::<u8>().write_bytes(b'm', length);
        munmap(at, length)?;
    }
    Ok(())
}
