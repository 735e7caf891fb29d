//! Holds what the probes report of every write path against what was really written.
//! Exit code of `measure`: 0 if every claimed figure is right within 2 %, 2 if one is not, 1 if it
//! cannot be measured here.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use evictd_tests::{
    node::Node,
    write_paths::{
        Finding, GROUNDS, Said, WritePath, document, measure,
        perform::{Failure, Settled, Work, perform},
    },
};

/// Write paths, measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures all paths on this kernel: findings as JSON Lines
    Measure,
    /// Makes the table, as Markdown, of the findings of several kernels
    Document {
        /// What the kernel is called, and the file of its findings
        #[arg(value_name = "NAME=FILE", required = true)]
        findings: Vec<String>,
    },
    /// Does one path, stopping for whoever measures
    #[command(hide = true)]
    Write {
        path: WritePath,
        #[arg(long)]
        file: PathBuf,
        #[arg(long)]
        source: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Measure => run_measure(),
        Task::Document { findings } => run_document(&findings),
        Task::Write { path, file, source } => run_write(path, &file, &source),
    };
    done.unwrap_or_else(|error| {
        eprintln!("evictd-paths: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_measure() -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("needs root: it mounts filesystems, makes cgroups and loads BPF programs");
    }
    let system = rustix::system::uname();
    say(&Finding::Kernel { release: system.release().to_string_lossy().into_owned() })?;
    let node = Node::create()?;
    let (mut cells, mut wrong, mut said) = (0, 0, Ok(()));
    for kind in GROUNDS {
        tell(&format!("measuring what the hooks of {} see", kind.name()));
        measure(&node, *kind, &mut |found| {
            if let Some(why) = found.cannot_run() {
                tell(&format!("cannot run here: {why}"));
            }
            if let Finding::Cell(cell) = &found {
                cells += 1;
                if cell.claimed && !cell.agrees() {
                    wrong += 1;
                    tell(&format!("wrong: {cell}"));
                }
            }
            let line = say(&found);
            if said.is_ok() {
                said = line;
            }
        })?;
    }
    said?;
    tell(&format!("{cells} cells, {wrong} of them claimed and wrong"));
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn run_document(findings: &[String]) -> Result<ExitCode> {
    let read = |argument: &String| {
        let (name, file) = argument.split_once('=').context("not of the form NAME=FILE")?;
        let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let found = lines.map(serde_json::from_str).collect::<Result<Vec<Finding>, _>>();
        Ok((name.to_owned(), found.with_context(|| file.to_owned())?))
    };
    let kernels = findings.iter().map(read).collect::<Result<Vec<_>>>()?;
    write!(io::stdout().lock(), "{}", document::document(&kernels))?;
    Ok(ExitCode::SUCCESS)
}

fn run_write(
    path: WritePath,
    file: &std::path::Path,
    source: &std::path::Path,
) -> Result<ExitCode> {
    /// Nothing here takes long, and nobody else ends a request that hangs.
    const LIFETIME: u32 = 120;
    // SAFETY: alarm(2) has no preconditions.
    unsafe { libc::alarm(LIFETIME) };
    let mut settled = |now: Settled| {
        say(&Said::Settled(now))?;
        io::stdin().read_line(&mut String::new()).map(drop)
    };
    match perform(path, &mut Work { file, source, settled: &mut settled }) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Failure::Unable(reason)) => {
            say(&Said::Unable(reason))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Failed(error)) => Err(error).context(path.name()),
    }
}

fn say(what: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    io::stdout().lock().write_all(line.as_bytes())
}

/// On stderr, in one piece: in a VM both streams end in the same line.
fn tell(what: &str) {
    // Who does not listen needs no progress.
    let _ = io::stderr().write_all(format!("{what}\n").as_bytes());
}
