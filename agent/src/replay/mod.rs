//! `evictd replay`: recorded observations under the recorded policy, or under another one.

mod compare;
mod decision;
mod play;
mod show;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode};

pub use compare::{Change, Compared, compare};
pub use decision::{Decision, What};
pub use play::{Played, as_recorded, under};
pub use show::Answer;

use evictd_core::Policy;

use crate::{
    answer::Paint,
    config::InputError,
    exit,
    log::start_log,
    trace::{self, OtherPolicy, Trace},
};

/// Plays a trace again, to see what another policy would have done.
///
/// Without another policy the recorded decisions must come out again, to the number: exit code 0 if
/// they do, 1 if not. With one, recorded decisions and those made now are shown beside each other: `=`
/// both, `-` only recorded, `+` only now. The node's signals are as they were recorded: what a recorded
/// eviction freed stays free, what another one would have freed is simulated, and time is no finer
/// than the looks that were recorded.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A trace of `evictd record` or `evictd run --record`.
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,

    /// The other policy.
    #[command(flatten)]
    pub policy: OtherPolicy,

    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Reads, plays, and tells.
pub fn main(args: &Args) -> ExitCode {
    start_log(false);
    let answer = match read(args) {
        Ok((trace, other)) => Answer::of(&trace, other),
        Err(error) => return exit::code(Err(error.into())),
    };
    if args.json {
        println!("{}", answer.json());
    } else {
        print!("{}", answer.text(Paint::detect()));
    }
    if answer.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The trace and the other policy, if there is one.
fn read(args: &Args) -> Result<(Trace, Option<Policy>), InputError> {
    let trace = trace::open(&args.trace)?;
    let recorded = args.policy.is_recorded();
    let other = (!recorded).then(|| args.policy.instead_of(&trace.header.policy)).transpose()?;
    Ok((trace, other))
}
