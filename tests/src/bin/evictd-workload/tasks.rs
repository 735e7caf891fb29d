//! Tasks that come and go in every way, and some that stay.

use std::{
    io, process,
    process::{Command, Stdio},
    thread,
};

use rustix::process::{WaitOptions, wait, waitpid};

use crate::{
    args::Args,
    hog::{announce, sleep_until_killed},
};

/// Each round makes five tasks: a thread, a child that ends, a child whose own child outlives it, and one
/// that executes another program. Then `threads` threads and `children` processes stay.
pub(crate) fn task_churn(args: &Args) -> Result<(), String> {
    for _ in 0..args.number("rounds", 100) {
        let thread = thread::Builder::new().spawn(|| ()).map_err(|e| format!("thread: {e}"))?;
        thread.join().map_err(|_| "a thread panicked".to_owned())?;
        wait_for(fork(|| ())?)?;
        wait_for(fork(|| drop(fork(|| ())))?)?;
        let program = std::env::current_exe().map_err(|e| format!("program: {e}"))?;
        let mut other = Command::new(program);
        // Ends at once, before it contains itself.
        other.args(["idle", "not-an-option"]);
        other.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        other.status().map_err(|e| format!("exec: {e}"))?;
    }
    // Orphans are this process's own, the first of its namespace.
    while wait(WaitOptions::NOHANG).is_ok_and(|ended| ended.is_some()) {}
    while wait(WaitOptions::empty()).is_ok_and(|ended| ended.is_some()) {}
    for _ in 0..args.number("children", 3) {
        fork(|| sleep_until_killed())?;
    }
    for _ in 0..args.number("threads", 4) {
        thread::Builder::new()
            .spawn(|| sleep_until_killed())
            .map_err(|e| format!("thread: {e}"))?;
    }
    announce()?;
    sleep_until_killed()
}

/// A child that does that and ends.
fn fork(work: impl FnOnce()) -> Result<rustix::process::Pid, String> {
    // SAFETY: at this time this process has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(format!("fork: {}", io::Error::last_os_error())),
        0 => {
            work();
            process::exit(0)
        }
        child => rustix::process::Pid::from_raw(child).ok_or_else(|| "fork: no child".to_owned()),
    }
}

fn wait_for(child: rustix::process::Pid) -> Result<(), String> {
    waitpid(Some(child), WaitOptions::empty()).map(drop).map_err(|e| format!("wait: {e}"))
}
