//! `cargo xtask`: everything this repository does besides compiling one crate.
//!
//! One module a subcommand, each with its `Options` and `run`.

mod bench;
mod build;
mod ci;
mod conformance;
mod demo;
mod deploy_check;
mod e2e;
mod fuzz;
mod image;
mod kubelet;
mod path_table;
mod process;
mod progress;
mod setup;
mod test;
mod verifier;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, demonstrates and tests evictd.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Setup(setup::Options),
    Build(build::Options),
    Image(image::Options),
    Demo(demo::Options),
    Test(test::Options),
    E2e(e2e::Options),
    Vm(vm::Options),
    Kubelet(kubelet::Options),
    Verifier(verifier::Options),
    Bench(bench::Options),
    Conformance(conformance::Options),
    Fuzz(fuzz::Options),
    PathTable(path_table::Options),
    DeployCheck(deploy_check::Options),
    Ci(ci::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Setup(options) => setup::run(options),
        Task::Build(options) => build::run(options),
        Task::Image(options) => image::run(&options),
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(options),
        Task::E2e(options) => e2e::run(&options),
        Task::Vm(options) => vm::run(&options),
        Task::Kubelet(options) => kubelet::run(&options),
        Task::Verifier(options) => verifier::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Conformance(options) => conformance::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::PathTable(options) => path_table::run(&options),
        Task::DeployCheck(options) => deploy_check::run(options),
        Task::Ci(options) => ci::run(options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
