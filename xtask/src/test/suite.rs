//! The unit suite, and how any suite's test programs are run and read.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::libtest::{Reader, Show};
use super::tally::Tally;
use crate::build::{self, Linkage};
use crate::process;
use crate::progress::step;
use crate::workspace::Workspace;

/// Packages whose tests belong to the unit suite.
const UNIT_PACKAGES: [&str; 7] = [
    "evictd-common",
    "evictd-core",
    "evictd-conformance",
    "evictd",
    "evictd-benches",
    "evictd-fuzz",
    "xtask",
];

/// Unit tests and the tests of single crates.
pub(super) fn unit(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = build::cargo(workspace, "test", Linkage::Dynamic)?;
    cargo.args(UNIT_PACKAGES.iter().flat_map(|package| ["--package", package]));
    cargo.args(["--no-fail-fast", "--", "--show-output"]);
    let mut log = create(&workspace.scratch().join("unit.log"))?;
    Ok(step("unit tests", || run(&mut cargo, &mut log))?.within("unit"))
}

/// Runs a test program, or cargo running several; shows what a person wants to see and logs all of it.
pub(super) fn run(tests: &mut Command, log: &mut File) -> Result<Tally> {
    let mut child = tests
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", process::line(tests)))?;
    let mut reader = Reader::default();
    for line in BufReader::new(child.stdout.take().context("no output")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        writeln!(log, "{line}")?;
        if reader.line(&line) == Show::Yes && !line.is_empty() {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    let mut tally = reader.finish();
    if !status.success() && tally.failed == 0 {
        tally.fail(format!("{status}, before any test had failed"));
    }
    Ok(tally)
}

pub(super) fn create(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    File::create(log).with_context(|| log.display().to_string())
}
