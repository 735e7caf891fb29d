//! `build`: evictd with its BPF object, and the programs of the test crate.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use crate::process;
use crate::progress::step;
use crate::setup::{self, BpfCompiler, Purpose, static_target};
use crate::workspace::{Pins, Workspace};

/// Names of the programs.
pub(crate) const EVICTD: &str = "evictd";
pub(crate) const INCIDENTS: &str = "evictd-incidents";

/// The packages whose programs go into the demo and the VM.
const PACKAGES: [&str; 2] = ["evictd", "evictd-tests"];

/// Builds evictd and the programs of the test crate, and prints their paths.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Optimised; this is the default
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Unoptimised
    #[arg(long)]
    debug: bool,
    /// Without shared libraries, as in the container image and the VM
    #[arg(long = "static")]
    static_: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    Debug,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linkage {
    Dynamic,
    Static,
}

/// Program or test binary by name.
pub(crate) type Programs = BTreeMap<String, PathBuf>;

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let profile = if options.debug { Profile::Debug } else { Profile::Release };
    let linkage = if options.static_ { Linkage::Static } else { Linkage::Dynamic };
    let purposes = match linkage {
        Linkage::Dynamic => vec![Purpose::Build],
        Linkage::Static => vec![Purpose::Build, Purpose::StaticBuild],
    };
    setup::ensure(&workspace.pins, &purposes)?;
    for path in programs(&workspace, profile, linkage)?.values() {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the programs of evictd and of the test crate.
pub(crate) fn programs(
    workspace: &Workspace,
    profile: Profile,
    linkage: Linkage,
) -> Result<Programs> {
    let mut cargo = cargo(workspace, "build", linkage)?;
    cargo.arg("--bins").args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    Ok(executables(&mut cargo, "building evictd")?.programs)
}

/// Builds evictd and the measuring harness, optimised.
pub(crate) fn benches(workspace: &Workspace) -> Result<Programs> {
    let mut cargo = cargo(workspace, "build", Linkage::Dynamic)?;
    cargo.arg("--bins").arg("--release");
    for package in PACKAGES.iter().chain(&["evictd-benches"]) {
        cargo.args(["--package", package]);
    }
    Ok(executables(&mut cargo, "building the measuring harness")?.programs)
}

/// Builds, without running and without optimising them, the static integration tests of evictd-tests with these
/// names.
pub(crate) fn static_tests(workspace: &Workspace, names: &[&str]) -> Result<Programs> {
    let mut cargo = cargo(workspace, "test", Linkage::Static)?;
    cargo.args(["--no-run", "--package", "evictd-tests"]);
    cargo.args(names.iter().flat_map(|name| ["--test", name]));
    Ok(executables(&mut cargo, "building the integration tests for the VM")?.tests)
}

/// Builds, without running them, all static integration tests with the programs that they test; in the profile
/// `tested`, and in one go: features that only tests want would have half of it built twice.
pub(crate) fn tested(workspace: &Workspace) -> Result<Built> {
    let mut cargo = cargo(workspace, "test", Linkage::Static)?;
    cargo.args(["--no-run", "--profile", "tested", "--test", "*"]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    executables(&mut cargo, "building evictd and its integration tests")
}

/// A cargo command that finds the BPF toolchain.
pub(crate) fn cargo(workspace: &Workspace, action: &str, linkage: Linkage) -> Result<Command> {
    let mut cargo = Command::new("cargo");
    cargo.arg(action).current_dir(&workspace.root);
    if linkage == Linkage::Static {
        cargo.args(["--target", &static_target()]);
    }
    find_bpf_toolchain(&mut cargo, &workspace.pins)?;
    Ok(cargo)
}

/// Lets a command that builds evictd find the BPF toolchain.
pub(crate) fn find_bpf_toolchain(cargo: &mut Command, pins: &Pins) -> Result<()> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = [setup::bpf_linker(pins).folder()?];
    let folders = folders.into_iter().chain(env::split_paths(&inherited));
    cargo.env("PATH", env::join_paths(folders).context("PATH")?);
    if let Some(BpfCompiler::Debian(rustc)) = BpfCompiler::find(pins) {
        cargo.env("EVICTD_BPF_RUSTC", rustc);
    }
    Ok(())
}

/// The executables that cargo names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) programs: Programs,
    pub(crate) tests: Programs,
}

/// Runs cargo and collects the executables it names; its own messages go to standard error.
fn executables(cargo: &mut Command, what: &str) -> Result<Built> {
    step(what, || {
        cargo.arg("--message-format=json-render-diagnostics").stdin(Stdio::null());
        let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
        let stdout = child.stdout.take().context("cargo has no output")?;
        let built = executables_in(BufReader::new(stdout))?;
        let status = child.wait()?;
        if !status.success() {
            bail!("{} failed ({status})", process::line(cargo));
        }
        Ok(built)
    })
}

fn executables_in(messages: impl io::BufRead) -> Result<Built> {
    let mut built = Built::default();
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's messages")?
            && let Some(executable) = artifact.executable
        {
            let kind = if artifact.profile.test { &mut built.tests } else { &mut built.programs };
            kind.insert(artifact.target.name, executable.into_std_path_buf());
        }
    }
    Ok(built)
}

/// The program of this name; cargo built no such thing only if a manifest has changed.
pub(crate) fn program<'a>(programs: &'a Programs, name: &str) -> Result<&'a Path> {
    programs.get(name).map(PathBuf::as_path).with_context(|| format!("no program {name} was built"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, executable: &str, test: bool) -> String {
        let text = format!(
            r#"{{"reason":"compiler-artifact","package_id":"p 0.1.0","manifest_path":"/p/Cargo.toml",
            "target":{{"kind":["bin"],"crate_types":["bin"],"name":"{name}","src_path":"/p/x.rs",
            "edition":"2024","doc":true,"doctest":false,"test":true}},
            "profile":{{"opt_level":"0","debuginfo":2,"debug_assertions":true,
            "overflow_checks":true,"test":{test}}},
            "features":[],"filenames":[],"executable":{executable},"fresh":true}}"#
        );
        text.replace('\n', "")
    }

    #[test]
    fn executables_are_taken_from_cargo_messages() {
        let text = [
            artifact("library", "null", false),
            artifact("evictd", "\"/t/evictd\"", false),
            artifact("faults", "\"/t/faults-0123\"", true),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let one = |name: &str, path| Programs::from([(name.to_owned(), PathBuf::from(path))]);
        let expected =
            Built { programs: one("evictd", "/t/evictd"), tests: one("faults", "/t/faults-0123") };
        assert_eq!(executables_in(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_program_that_was_not_built_is_named() {
        let error = program(&Programs::new(), "evictd").unwrap_err();
        assert_eq!(error.to_string(), "no program evictd was built");
    }
}
