//! `demo`: a sandboxed node, three workloads gone wrong, evictd catching each.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::build::{self, EVICTD, INCIDENTS, Linkage, Profile};
use crate::process;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;

/// Sets up, builds and runs the three incidents on a sandboxed node of this machine.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only one JSON object an incident on standard output
    #[arg(long)]
    json: bool,
    /// Further arguments of the incident runner, such as --trials 20
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    require_root("demo")?;
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build])?;
    let programs = build::programs(&workspace, Profile::Release, Linkage::Dynamic)?;
    let mut incidents = Command::new(build::program(&programs, INCIDENTS)?);
    incidents.arg("--evictd").arg(build::program(&programs, EVICTD)?);
    incidents.args(options.json.then_some("--json")).args(&options.arguments);
    process::exec(&mut incidents)
}

/// Fails early and with the way out where cgroups, mounts and BPF are needed.
pub(crate) fn require_root(task: &str) -> Result<()> {
    if !process::is_root() {
        bail!(
            "{task} makes cgroups and mounts and loads BPF programs, which only root may do; run\n  \
             sudo -E env \"PATH=$PATH\" cargo xtask {task}"
        );
    }
    Ok(())
}
