//! `fuzz`: the parsers against what libFuzzer thinks of.

mod campaign;
mod libfuzzer;

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Purpose};
use crate::test::Tally;
use crate::workspace::Workspace;
use campaign::Outcome;

/// Tries inputs that libFuzzer thinks of, from the committed corpora on, as many targets at a time as
/// there are processors.
///
/// What it finds is kept below `target/xtask/fuzz` and is where the next run goes on.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this target [default: all, each a file in fuzz/fuzz_targets]
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Afterwards add to fuzz/corpus what reaches code that the inputs there do not
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let all = targets(&workspace)?;
    let wanted = match &options.target {
        None => all,
        Some(target) if all.contains(target) => vec![target.clone()],
        Some(target) => bail!("no target `{target}`; there are: {}", all.join(", ")),
    };
    let tally = fuzz(&workspace, &wanted, options.seconds, options.keep)?;
    let ran = tally.failed == 0 && tally.skipped.is_empty();
    Ok(if ran { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every target, for `seconds` each; prints the table.
pub(crate) fn all(workspace: &Workspace, seconds: u32) -> Result<Tally> {
    fuzz(workspace, &targets(workspace)?, seconds, false)
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn fuzz(workspace: &Workspace, targets: &[String], seconds: u32, keep: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    if let Err(missing) = setup::ensure(&workspace.pins, &[Purpose::Build, Purpose::Fuzz]) {
        eprintln!("{missing:#}");
        for target in targets {
            tally.skip(target, "setup is not complete; what is missing stands above");
        }
        print!("{tally}");
        return Ok(tally);
    }
    let outcomes = campaign::run(workspace, targets, seconds, keep)?;
    for outcome in &outcomes {
        match &outcome.failure {
            None => tally.pass(),
            Some(failure) => tally.fail(format!("{}: {failure}", outcome.target)),
        }
    }
    print!("{}{tally}", table(&outcomes));
    Ok(tally)
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "\n{:16} {:>12} {:>10} {:>10}  verdict\n",
        "target", "executions", "new inputs", "committed"
    );
    for outcome in outcomes {
        let Outcome { target, stats, kept, failure } = outcome;
        let verdict = if failure.is_none() { "ok" } else { "failed" };
        let _ = writeln!(
            text,
            "{target:16} {:>12} {:>10} {kept:>10}  {verdict}",
            stats.executions, stats.new_inputs
        );
    }
    text
}
