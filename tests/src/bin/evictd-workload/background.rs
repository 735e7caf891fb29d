//! Innocent work: some memory, some processes, a little writing.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use crate::{
    args::Args,
    hog::{announce, sleep_until_killed, touched},
};

/// How often the steady writer does something.
const STEP: Duration = Duration::from_millis(50);

pub(crate) fn idle(args: &Args) -> Result<(), String> {
    let _held = settle(args)?;
    sleep_until_killed()
}

pub(crate) fn steady_writer(args: &Args) -> Result<(), String> {
    let _held = settle(args)?;
    let per_step = |rate: u64| usize::try_from(rate / 20).unwrap_or(0);
    let line = format!("{}\n", "handled GET /healthz 200 in 1ms ".repeat(4));
    let lines = line.repeat(per_step(args.number("log-rate", 4096)).div_ceil(line.len()));
    let chunk = vec![b'd'; per_step(args.number("rate", 65_536))];
    let limit = args.number("file-mib", 4) << 20;
    let mut file = match args.text("dir") {
        Some(dir) => {
            let path = Path::new(dir).join("data");
            Some(File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?)
        }
        None => None,
    };
    let (mut out, mut written) = (std::io::stdout(), 0);
    loop {
        out.write_all(lines.as_bytes()).map_err(|e| format!("stdout: {e}"))?;
        if let Some(file) = &mut file {
            if written + chunk.len() as u64 > limit {
                // From the start again, over the old data: its use of the disk is bounded.
                file.rewind().map_err(|e| format!("data: {e}"))?;
                written = 0;
            }
            // A full disk is not this workload's fault.
            if file.write_all(&chunk).is_ok() {
                written += chunk.len() as u64;
            }
        }
        burn();
        thread::sleep(STEP);
    }
}

/// Starts the processes, takes the memory, says so.
fn settle(args: &Args) -> Result<Vec<u8>, String> {
    for _ in 1..args.number("tasks", 1) {
        // SAFETY: this process has one thread, so the child may do anything.
        match unsafe { libc::fork() } {
            -1 => return Err(format!("fork: {}", std::io::Error::last_os_error())),
            0 => sleep_until_killed(),
            _ => {}
        }
    }
    let held = touched(args.number("mib", 1));
    announce()?;
    Ok(held)
}

/// A little CPU: about half a millisecond.
fn burn() {
    let mut sum = 0_u64;
    for i in 0..200_000_u64 {
        sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(i));
    }
}
