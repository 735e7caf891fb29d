//! Takes memory and keeps it.

use std::{hint::black_box, io::Write as _, thread, time::Duration};

use crate::{args::Args, pace::Pace};

const MIB: usize = 1 << 20;

pub(crate) fn memory_hog(args: &Args) -> Result<(), String> {
    announce()?;
    let mut pace = Pace::new(args.number("mib-per-s", 500));
    let mut held = Vec::new();
    for _ in 0..args.number("max-mib", 64) {
        held.push(touched(1));
        pace.spend(1);
    }
    black_box(&held);
    sleep_until_killed()
}

/// That much memory, every page of it written.
pub(crate) fn touched(mib: u64) -> Vec<u8> {
    let bytes = usize::try_from(mib).unwrap_or(0) * MIB;
    black_box(vec![1_u8; bytes])
}

/// The first line of every workload: it is running.
pub(crate) fn announce() -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush()).map_err(|e| format!("stdout: {e}"))
}

pub(crate) fn sleep_until_killed() -> ! {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
