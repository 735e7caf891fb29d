//! Known amounts of work, to hold counters against.

use std::{fs::OpenOptions, io::Write as _, process};

use rustix::process::{WaitOptions, wait};

use crate::args::Args;

/// Appends `count` blocks of `bytes` to `file`; or to each of so many `files`, which have a number behind
/// that name.
pub(crate) fn write_exactly(args: &Args) -> Result<(), String> {
    let path = args.text("file").ok_or("write-exactly needs --file")?;
    match args.number("files", 0) {
        0 => append(path, args),
        files => (0..files).try_for_each(|number| append(&format!("{path}{number}"), args)),
    }
}

fn append(path: &str, args: &Args) -> Result<(), String> {
    let error = |e: std::io::Error| format!("{path}: {e}");
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(error)?;
    let block = vec![b'x'; usize::try_from(args.number("bytes", 4096)).unwrap_or(4096)];
    for _ in 0..args.number("count", 1) {
        file.write_all(&block).map_err(error)?;
    }
    Ok(())
}

/// Cuts `file` to nothing.
pub(crate) fn truncate(args: &Args) -> Result<(), String> {
    let path = args.text("file").ok_or("truncate needs --file")?;
    let file = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0));
    file.map_err(|e| format!("{path}: {e}"))
}

/// Writes `mib` to `file` and removes its name; holds it open until it is killed.
pub(crate) fn hold_deleted(args: &Args) -> Result<(), String> {
    let path = args.text("file").ok_or("hold-deleted needs --file")?;
    let held = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
        for _ in 0..args.number("mib", 1) {
            file.write_all(&vec![b'x'; 1 << 20])?;
        }
        std::fs::remove_file(path)?;
        println!("held");
        loop {
            std::thread::park();
        }
    };
    held().map_err(|e| format!("{path}: {e}"))
}

/// Forks `count` children that end at once.
pub(crate) fn fork_exactly(args: &Args) -> Result<(), String> {
    fork_and_wait(args.number("count", 1))
}

/// A short life: some blocks, then `forks` children.
pub(crate) fn live_exactly(args: &Args) -> Result<(), String> {
    write_exactly(args)?;
    fork_and_wait(args.number("forks", 1))
}

fn fork_and_wait(count: u64) -> Result<(), String> {
    for _ in 0..count {
        // SAFETY: this process has one thread, so the child may do anything.
        match unsafe { libc::fork() } {
            -1 => return Err(format!("fork: {}", std::io::Error::last_os_error())),
            0 => process::exit(0),
            _ => wait(WaitOptions::empty()).map(drop).map_err(|e| format!("wait: {e}"))?,
        }
    }
    Ok(())
}
