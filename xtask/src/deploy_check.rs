//! `deploy-check`: what is in `deploy/`, against a real API server.

use std::process::ExitCode;

use anyhow::Result;

use crate::build::{self, Linkage};
use crate::e2e::Apiserver;
use crate::process;
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;

/// Builds kube-apiserver and Helm if they are not cached; then: the API server takes every way to install evictd,
/// the chart says what kustomize says, and an agent may do what it needs on its own node and nothing else.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {}

pub(crate) fn run(_: Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build, Purpose::ControlPlane])?;
    let mut cargo = build::cargo(&workspace, "test", Linkage::Dynamic)?;
    cargo
        .args(["--package", "evictd-tests", "--test", "deploy"])
        .envs(Apiserver::default().environment()?);
    step("deploy/ against the API server", || process::run(&mut cargo))?;
    Ok(ExitCode::SUCCESS)
}
