//! `conformance`: the evaluator against recordings of the real kubelet.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

/// Where the committed vectors are.
const VECTORS: &str = "tests/conformance";

/// Plays recordings of the real kubelet's eviction manager against the evaluator.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder with *.jsonl or *.jsonl.gz [default: tests/conformance]
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let dir = match &options.vectors {
        Some(dir) => dir.clone(),
        None => Workspace::load()?.root.join(VECTORS),
    };
    let report = evictd_conformance::run(&dir)?;
    let mut stdout = io::stdout().lock();
    if options.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(stdout, "{report}")?;
    }
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
