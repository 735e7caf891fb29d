//! Integration tests on this kernel: the same programs that the VMs run.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::suite;
use super::tally::Tally;
use crate::build::{self, Built, EVICTD};
use crate::e2e::{self, Apiserver};
use crate::image;
use crate::progress::step;
use crate::setup::container_runtime_folder;
use crate::workspace::Workspace;

/// All integration tests.
pub(super) fn host(workspace: &Workspace, built: &Built, apiserver: Apiserver) -> Result<Tally> {
    let image = image::usual(workspace, build::program(&built.programs, EVICTD)?)?;
    let tally = step("integration tests on this kernel", || {
        run(workspace, built, apiserver, Some(&image), None, "host.log")
    })?;
    Ok(tally.within("host"))
}

/// Those that need the API server; with names that contain `filter`, if given.
pub(crate) fn end_to_end(
    workspace: &Workspace,
    apiserver: Apiserver,
    filter: Option<&str>,
) -> Result<Tally> {
    let mut built = build::tested(workspace)?;
    built.tests.retain(|name, _| e2e::PROGRAMS.contains(&name.as_str()));
    let tally = step("tests against the API server", || {
        run(workspace, &built, apiserver, None, filter, "e2e.log")
    })?;
    Ok(tally.within("e2e"))
}

/// Runs one test program after the other, told which evictd and which API server they are for.
fn run(
    workspace: &Workspace,
    built: &Built,
    apiserver: Apiserver,
    image: Option<&Path>,
    filter: Option<&str>,
    log: &str,
) -> Result<Tally> {
    let mut variables: Vec<(&str, OsString)> = apiserver.environment()?;
    let evictd = build::program(&built.programs, EVICTD)?;
    variables.push(("EVICTD_BIN", evictd.into()));
    variables.push(("EVICTD_CONTAINERD", container_runtime_folder()?.into()));
    variables.extend(image.map(|archive| ("EVICTD_IMAGE", archive.into())));
    let mut log = suite::create(&workspace.scratch().join(log))?;
    let mut total = Tally::default();
    for (name, program) in &built.tests {
        eprintln!("     Running {name}");
        let mut test = test_program(program, filter);
        // Not from where cargo was called: a test must not depend on that.
        test.envs(variables.iter().cloned()).current_dir(&workspace.root);
        total.add(suite::run(&mut test, &mut log)?.within(name));
    }
    Ok(total)
}

fn test_program(program: &Path, filter: Option<&str>) -> Command {
    let mut test = Command::new(program);
    test.args(["--test-threads=1", "--show-output"]).args(filter);
    test
}
