//! `ci`: what must hold besides the tests.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::build::{self, Linkage};
use crate::fuzz;
use crate::process;
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;

const BPF_TARGET: &str = "bpfel-unknown-none";

/// Checks formatting, clippy (host crates and BPF programs), licences and dependencies, tries the
/// evaluator's properties on many cases, and fuzzes the parsers.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// How long each fuzz target runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    fuzz_seconds: u32,
}

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build, Purpose::Lint])?;
    let checks: [(&str, Command); 5] = [
        ("rustfmt", rustfmt(&workspace)),
        ("clippy, host crates", host_clippy(&workspace)?),
        ("clippy, BPF programs", bpf_clippy(&workspace)),
        ("cargo-deny: bans, licenses, sources", cargo_deny(&workspace)?),
        ("properties of the evaluator, 10 000 cases each", properties(&workspace)),
    ];
    let mut failed = Vec::new();
    for (name, mut command) in checks {
        if let Err(error) = step(name, || process::run(&mut command)) {
            eprintln!("{error:#}");
            failed.push(name);
        }
    }
    match fuzz::all(&workspace, options.fuzz_seconds) {
        Ok(fuzzed) if fuzzed.failed > 0 => failed.push("fuzzing"),
        Ok(fuzzed) if fuzzed.skipped.is_empty() => {}
        Ok(fuzzed) => eprintln!("not checked: fuzzing, {} targets", fuzzed.skipped.len()),
        Err(error) => {
            eprintln!("{error:#}");
            failed.push("fuzzing");
        }
    }
    // The advisory database is a git repository, which many build machines cannot reach.
    eprintln!(
        "not checked: cargo-deny's advisories (needs the network: cargo deny check advisories)"
    );
    if !failed.is_empty() {
        bail!("ci failed: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn rustfmt(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.args(["fmt", "--all", "--check"]).current_dir(&workspace.root);
    command
}

/// The workspace's default members, with their tests.
fn host_clippy(workspace: &Workspace) -> Result<Command> {
    let mut command = build::cargo(workspace, "clippy", Linkage::Dynamic)?;
    command.args(["--all-targets", "--locked", "--", "--deny", "warnings"]);
    Ok(command)
}

/// Compiled as aya-build compiles it, but by the pinned toolchain's clippy: Debian's compiler, which
/// can build the programs as well, comes without one.
fn bpf_clippy(workspace: &Workspace) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", &workspace.pins.rust, "cargo"]);
    command.current_dir(&workspace.root);
    command.args(["clippy", "--package", "evictd-ebpf", "--lib", "--bins", "--locked"]);
    command.args(["--target", BPF_TARGET, "-Z", "build-std=core"]);
    command.args(["--", "--deny", "warnings"]);
    command.env("RUSTFLAGS", format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH));
    // Set by the cargo that runs us, it would bring that toolchain back.
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// The tests try a few hundred cases of each property; here there is time for more.
fn properties(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.args(["test", "--release", "--locked", "--package", "evictd-core"]);
    command.args(["--features", "serde"]);
    command.args(["--test", "properties"]).current_dir(&workspace.root);
    command.env("PROPTEST_CASES", "10000");
    command
}

fn cargo_deny(workspace: &Workspace) -> Result<Command> {
    let mut command = Command::new(setup::cargo_deny().program()?);
    command.args(["--all-features", "check", "bans", "licenses", "sources"]);
    command.current_dir(&workspace.root);
    Ok(command)
}
