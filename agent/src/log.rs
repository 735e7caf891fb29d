//! The log: what people read while something runs. Records and answers have stdout to themselves.

use std::io;

use tracing_subscriber::EnvFilter;

/// Logs go to stderr, at the level `EVICTD_LOG` names or `info`; `probes`: what the kernel programs
/// log, too.
pub fn start_log(probes: bool) {
    let level = if probes { "info,evictd_probes=debug" } else { "info" };
    // kube logs every failed call; who made it tells what that means.
    let default = format!("{level},kube_client=off,kube_runtime=off");
    let filter = EnvFilter::try_from_env("EVICTD_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(rustix::termios::isatty(io::stderr()))
        .with_target(false)
        .init();
}
