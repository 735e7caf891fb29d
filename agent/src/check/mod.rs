//! `evictd check`: what of a configuration is in force on this node, and what silently is not.
//!
//! The node is read once ([`read`]), the rest is pure: thresholds in this node's numbers ([`in_force`]),
//! what is not what it seems ([`findings`]), text and JSON.

mod amount;
mod args;
mod beside;
mod facts;
mod findings;
mod in_force;
mod json;
mod places;
mod read;
mod report;
#[cfg(test)]
mod sample;
mod text;

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
};

pub use args::Args;
use beside::Beside;
use facts::NodeFacts;
use findings::Severity;
use json::Answer;
use places::Places;
use report::Report;

use crate::{answer::Paint, exit, log::start_log};

/// Runs `evictd check` and gives the exit code.
pub fn main(args: &Args) -> ExitCode {
    start_log(false);
    match check(args) {
        Ok(warnings) if warnings > 0 && args.strict => ExitCode::FAILURE,
        result => exit::code(result.map(|_| ())),
    }
}

/// Prints the answer and gives the number of warnings.
fn check(args: &Args) -> anyhow::Result<usize> {
    let config = args.read()?;
    let beside = Beside::find(&config, args)?;
    let node = if args.no_node {
        NodeFacts::unread("the node was not looked at (--no-node)")
    } else {
        read::read(&config, args.images.as_deref())
    };
    let places = Places::read(&args.file, &config.eviction);
    let report = Report::new(&args.file, &config, &node, &beside, &places);
    let answer = if args.json {
        format!("{}\n", serde_json::to_string(&Answer::of(&report))?)
    } else {
        text::render(&report, Paint::detect())
    };
    stdout().write_all(answer.as_bytes())?;
    Ok(report.count(Severity::Warning))
}
