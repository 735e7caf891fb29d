//! Linux's own asynchronous I/O, by its system calls.

use std::{fs::File, io, os::fd::AsRawFd as _, ptr};

use super::{BYTES, Block, CHUNK, Cache, Failure, Work, calls::whole, offsets, unable};

/// Requests under way at a time.
const DEPTH: usize = 8;
const IOCB_CMD_PWRITE: u16 = 1;

/// `struct iocb` of `linux/aio_abi.h` on a little-endian machine.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Request {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_file: u32,
}

/// `struct io_event`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
    result2: i64,
}

const _: () = assert!(size_of::<Request>() == 64 && size_of::<Event>() == 32);

/// An AIO context; destroyed on drop, which waits for what is under way.
struct Context(libc::c_ulong);

impl Context {
    fn new() -> io::Result<Self> {
        let mut id: libc::c_ulong = 0;
        // SAFETY: io_setup writes the context's number to `id`, which is 0 as it has to be.
        check(unsafe { libc::syscall(libc::SYS_io_setup, DEPTH, &raw mut id) })?;
        Ok(Self(id))
    }

    /// Submits requests and waits for all of them.
    fn write(&self, file: &File, block: &Block, offsets: &[u64]) -> io::Result<()> {
        let request = |&at: &u64| {
            Ok(Request {
                opcode: IOCB_CMD_PWRITE,
                file: u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?,
                buffer: block.bytes().as_ptr() as u64,
                length: block.bytes().len() as u64,
                offset: i64::try_from(at).map_err(io::Error::other)?,
                ..Request::default()
            })
        };
        let mut requests = offsets.iter().map(request).collect::<io::Result<Vec<Request>>>()?;
        let mut pending: Vec<*mut Request> = requests.iter_mut().map(ptr::from_mut).collect();
        while !pending.is_empty() {
            let (count, list) = (pending.len(), pending.as_mut_ptr());
            // SAFETY: `list` points to `count` pointers to requests, whose memory and buffer outlive
            // them: all of them are waited for below, and by drop.
            let submitted =
                check(unsafe { libc::syscall(libc::SYS_io_submit, self.0, count, list) })?;
            self.wait(submitted)?;
            pending.drain(..submitted);
        }
        Ok(())
    }

    fn wait(&self, count: usize) -> io::Result<()> {
        let mut events = [Event::default(); DEPTH];
        // SAFETY: there is room for `DEPTH` events, and no more than that are submitted at a time.
        let arrived = check(unsafe {
            let no_limit = ptr::null::<libc::timespec>();
            let at = events.as_mut_ptr();
            libc::syscall(libc::SYS_io_getevents, self.0, count, count, at, no_limit)
        })?;
        for event in events.iter().take(arrived) {
            whole(result(event.result))?;
        }
        Ok(())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was made by `new` and is not used any more.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}

/// Writes the file with several requests at a time.
pub(super) fn aio(work: &mut Work<'_>, cache: Cache) -> Result<(), Failure> {
    let context = Context::new().map_err(unable("io_setup"))?;
    let file = cache.create(work)?;
    let block = Block::new(CHUNK);
    for batch in offsets(BYTES).collect::<Vec<u64>>().chunks(DEPTH) {
        context.write(&file, &block, batch)?;
    }
    Ok(work.settle(&file, BYTES)?)
}

/// What a system call has returned.
fn check(returned: libc::c_long) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

/// What a request has returned: a count, or an error with its sign turned.
pub(super) fn result(returned: i64) -> io::Result<usize> {
    usize::try_from(returned)
        .map_err(|_| io::Error::from_raw_os_error(i32::try_from(-returned).unwrap_or(libc::EIO)))
}
