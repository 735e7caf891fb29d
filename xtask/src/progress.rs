//! Progress of long steps, on standard error: standard output belongs to results.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

const HEARTBEAT: Duration = Duration::from_secs(20);

/// Announces the work, shows each 20 s that it still runs, and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {what}");
    let started = Instant::now();
    let (end, ended) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("    … {what}: {} s so far", started.elapsed().as_secs());
            }
        });
        let result = work();
        drop(end);
        result
    });
    let verdict = if result.is_ok() { "done" } else { "failed" };
    eprintln!("    {what}: {verdict} after {:.1} s", started.elapsed().as_secs_f64());
    result
}
