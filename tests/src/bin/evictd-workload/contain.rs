//! A PID namespace of its own: when its first process dies, the kernel kills and reaps all others.

use std::{io, process};

use rustix::{
    process::{Signal, WaitOptions, set_parent_process_death_signal, wait},
    thread::{UnshareFlags, unshare_unsafe},
};

/// Returns in the first process of a new PID namespace. The caller's process waits outside and ends
/// with it, or after `lifetime` seconds, and takes the namespace along.
pub(crate) fn enter(lifetime: u64) -> Result<(), String> {
    // SAFETY: no descriptor table and no memory is unshared, only the namespace of later children.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.map_err(|e| format!("PID namespace: {e}"))?;
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(format!("fork: {}", io::Error::last_os_error())),
        0 => set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| format!("prctl: {e}")),
        _ => {
            // The first process of a namespace is not killed by its own SIGALRM; this one is.
            let seconds = u32::try_from(lifetime).unwrap_or(u32::MAX).max(1);
            // SAFETY: alarm(2) has no preconditions.
            unsafe { libc::alarm(seconds) };
            let ended = wait(WaitOptions::empty()).ok().flatten();
            let code = ended.and_then(|(_, status)| status.exit_status());
            process::exit(code.unwrap_or(1));
        }
    }
}

/// At SIGTERM this process and its children end as if all were well.
pub(crate) fn exit_on_term() {
    extern "C" fn exit(_: libc::c_int) {
        // SAFETY: _exit(2) may be called from a signal handler.
        unsafe { libc::_exit(0) };
    }
    let handler: extern "C" fn(libc::c_int) = exit;
    // SAFETY: the handler is of the right type and calls nothing that a handler may not.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
}

/// SIGTERM does nothing to this process and its children.
pub(crate) fn ignore_term() {
    // SAFETY: SIG_IGN is a valid disposition; no handler of ours runs.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}
