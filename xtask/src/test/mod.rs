//! `test`: unit tests, integration tests on this kernel, and the same in virtual machines.

mod integration;
mod libtest;
mod results;
mod suite;
mod tally;
mod vm;

use std::process::ExitCode;

use anyhow::Result;

use crate::build;
use crate::e2e::Apiserver;
use crate::process;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;
pub(crate) use integration::end_to_end;
pub(crate) use tally::Tally;

/// Sets up and runs the tests: all suites, or those named.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Options {
    /// Tests that need no privileges beyond cgroups of their own
    #[arg(long)]
    unit: bool,
    /// Integration tests on this kernel, as root
    #[arg(long)]
    host: bool,
    /// Integration tests and the demo's incidents on every kernel of the matrix
    #[arg(long)]
    vm: bool,
    #[command(flatten)]
    apiserver: Apiserver,
}

/// Runs the suites, lists what could not run, and ends with `N passed, N failed, N skipped`.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let all = !(options.unit || options.host || options.vm);
    let workspace = Workspace::load()?;
    let mut purposes = vec![Purpose::Build];
    let vm = all || options.vm;
    if vm {
        purposes.push(Purpose::Vm);
    }
    let host = options.host || (all && process::is_root());
    if host || vm {
        purposes.push(Purpose::StaticBuild);
    }
    if host {
        purposes.extend([Purpose::Host, Purpose::Image]);
        purposes.extend(options.apiserver.purpose());
    }
    setup::ensure(&workspace.pins, &purposes)?;

    let mut total = Tally::default();
    if all || options.unit {
        total.add(suite::unit(&workspace)?);
    }
    if options.host {
        crate::demo::require_root("test --host")?;
    }
    if !host && all {
        total.skip("host: all integration tests", "not root");
    }
    if host || vm {
        let built = build::tested(&workspace)?;
        if host {
            total.add(integration::host(&workspace, &built, options.apiserver)?);
        }
        if vm {
            total.add(vm::run(&workspace, built)?);
        }
    }
    print!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
