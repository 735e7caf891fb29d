//! `evictd top`: who writes, forks and grows on this node.
//!
//! One way: readings, by a running evictd or by probes of its own ([`watch`]); rates between two of them
//! ([`rates`]); the rows that are wanted ([`column`]); a face ([`text`], [`live`], JSON).

mod args;
mod column;
mod escape;
mod header;
mod live;
mod own;
mod rates;
#[cfg(test)]
mod sample;
mod snapshot;
mod soon;
mod text;
mod units;
mod watch;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

pub use args::Args;
use snapshot::Snapshot;
use watch::Watch;

use crate::{answer::Paint, exit, log::start_log};

/// Shows what is going on until it is told to stop, and gives the exit code.
pub fn main(args: &Args) -> ExitCode {
    let shown = Watch::open(args).and_then(|watch| {
        let is_live = !args.once && !args.json && io::stdout().is_terminal();
        if is_live { live::show(args, watch) } else { print(args, watch) }
    });
    // Not before: what the probes log would run through the table.
    start_log(false);
    exit::code(shown)
}

/// Text or JSON, one picture an interval.
fn print(args: &Args, mut watch: Watch) -> anyhow::Result<()> {
    let count = if args.once { Some(1) } else { args.count };
    let mut printed = 0;
    while count.is_none_or(|count| printed < count) {
        let mut snapshot = watch.next()?;
        choose(args, &mut snapshot);
        let text = if args.json {
            format!("{}\n", serde_json::to_string(&snapshot)?)
        } else {
            let gap = if printed > 0 { "\n" } else { "" };
            format!("{gap}{}", text::render(&snapshot, Paint::detect()))
        };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        printed += 1;
    }
    Ok(())
}

/// Leaves the rows that are asked for, in the order that is asked for.
fn choose(args: &Args, snapshot: &mut Snapshot) {
    snapshot.rows.retain(|row| column::matches(row, &args.filter));
    column::sort(&mut snapshot.rows, args.sort, args.reverse);
    snapshot.rows.truncate(args.top.unwrap_or(usize::MAX));
}
