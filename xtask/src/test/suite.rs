//! The suites: which tests run where.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::libtest::{Reader, Show};
use super::tally::Tally;
use crate::build::{self, EVICTD, Linkage, Profile};
use crate::e2e::{self, Apiserver};
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
const INTEGRATION_PACKAGE: &str = "evictd-tests";

/// Unit tests and the tests of single crates.
pub(super) fn unit(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = build::cargo(workspace, "test", Linkage::Dynamic)?;
    cargo.args(UNIT_PACKAGES.iter().flat_map(|package| ["--package", package]));
    cargo.args(["--no-fail-fast", "--", "--show-output"]);
    let log = workspace.scratch().join("unit.log");
    Ok(step("unit tests", || run(&mut cargo, &log))?.within("unit"))
}

/// Integration tests against the optimised evictd, on this kernel.
pub(super) fn host(workspace: &Workspace, apiserver: Apiserver) -> Result<Tally> {
    let mut cargo = integration(workspace, apiserver)?;
    cargo.args(["--", "--test-threads=1", "--show-output"]);
    let log = workspace.scratch().join("host.log");
    Ok(step("integration tests on this kernel", || run(&mut cargo, &log))?.within("host"))
}

/// Those of the integration tests that need the API server; with names that contain `filter`, if given.
pub(crate) fn end_to_end(
    workspace: &Workspace,
    apiserver: Apiserver,
    filter: Option<&str>,
) -> Result<Tally> {
    let mut cargo = integration(workspace, apiserver)?;
    cargo.args(e2e::PROGRAMS.iter().flat_map(|program| ["--test", program]));
    cargo.args(["--", "--test-threads=1", "--show-output"]).args(filter);
    let log = workspace.scratch().join("e2e.log");
    Ok(step("tests against the API server", || run(&mut cargo, &log))?.within("e2e"))
}

/// `cargo test` of the integration tests, told which evictd and which API server they are for.
fn integration(workspace: &Workspace, apiserver: Apiserver) -> Result<Command> {
    let programs = build::programs(workspace, Profile::Release, Linkage::Dynamic)?;
    let mut cargo = build::cargo(workspace, "test", Linkage::Dynamic)?;
    cargo.env("EVICTD_BIN", build::program(&programs, EVICTD)?).envs([apiserver.environment()?]);
    cargo.args(["--package", INTEGRATION_PACKAGE, "--no-fail-fast"]);
    Ok(cargo)
}

/// Runs cargo test, shows what a person wants to see and logs all of it.
fn run(cargo: &mut Command, log: &Path) -> Result<Tally> {
    let mut log = create(log)?;
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo test")?;
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
        tally.fail(format!("cargo test: {status}, before any test had failed"));
    }
    Ok(tally)
}

pub(super) fn create(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    File::create(log).with_context(|| log.display().to_string())
}
