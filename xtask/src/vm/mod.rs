//! `vm`: a Debian kernel under QEMU, with the static binaries of this repository packed in.

pub(crate) mod boot;
mod clock;
mod cpio;
pub(crate) mod guest;
pub(crate) mod initramfs;
pub(crate) mod kernel;
mod libraries;
mod modules;
mod tripped;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Built, Linkage, Profile, Programs};
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;
use boot::Machine;
use guest::{GuestLine, Verdict};
use initramfs::{Initramfs, Step};
use kernel::Kernel;

/// Boots KERNEL and runs some integration tests in it, or one of the packed static binaries, such
/// as `evictd --version`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernel to boot
    #[arg(value_parser = kernel::by_name)]
    kernel: &'static Kernel,
    /// Integration test of evictd-tests to run, such as `probes`; may be repeated
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Unoptimised programs, which are built sooner
    #[arg(long)]
    debug: bool,
    /// Seconds after which a test or the command is ended
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Program in the guest's /bin, and its arguments
    #[arg(last = true, required_unless_present = "test")]
    command: Vec<String>,
}

/// Time for a kernel to boot and to power off, under emulation.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// evictd, the programs of the test crate, and the tests that are wanted.
fn programs(workspace: &Workspace, options: &Options) -> Result<Programs> {
    let names: Vec<&str> = options.test.iter().map(String::as_str).collect();
    if !options.debug {
        let Built { mut programs, mut tests } = build::tested(workspace)?;
        if let Some(name) = names.iter().find(|name| !tests.contains_key(**name)) {
            bail!("there is no test program {name}");
        }
        tests.retain(|name, _| names.contains(&name.as_str()));
        programs.append(&mut tests);
        return Ok(programs);
    }
    let mut programs = build::programs(workspace, Profile::Debug, Linkage::Static)?;
    if !names.is_empty() {
        programs.append(&mut build::static_tests(workspace, &names)?);
    }
    Ok(programs)
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build, Purpose::StaticBuild, Purpose::Vm])?;
    let programs = programs(&workspace, options)?;
    let limit = Duration::from_secs(options.timeout);
    let steps = plan(options, limit);
    let machine = Machine::prepare(&workspace, options.kernel, |folder| {
        Initramfs::pack(&folder.join("initramfs.cpio"), options.kernel, &programs, &steps)
    })?;

    let mut verdict: Option<Verdict> = None;
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    let what = format!("Linux {} runs {}", options.kernel.name, names.join(", "));
    step(&what, || {
        machine.boot(limit + BOOT_LIMIT, |line| match GuestLine::parse(line) {
            GuestLine::Output(text) => println!("{text}"),
            // The first failure is the answer.
            GuestLine::Ended { verdict: end, .. } => {
                if !matches!(verdict, Some(Verdict::Exited(_) | Verdict::Failed(_))) {
                    verdict = Some(end);
                }
            }
            GuestLine::Kernel(_) | GuestLine::Started(_) | GuestLine::Done => {}
        })
    })
    .with_context(|| format!("its console ends:\n{}\n", machine.console_end().join("\n")))?;
    Ok(match verdict.unwrap_or(Verdict::Failed("nothing was run".to_owned())) {
        Verdict::Ok => ExitCode::SUCCESS,
        Verdict::Exited(code) => ExitCode::from(code),
        Verdict::Failed(reason) => {
            eprintln!("the command failed in the guest: {reason}");
            ExitCode::FAILURE
        }
    })
}

/// The tests, each printing what it prints, then the command.
fn plan(options: &Options, limit: Duration) -> Vec<Step> {
    let test = |name: &String| Step {
        name: name.clone(),
        limit,
        command: vec![name.clone(), "--test-threads=1".to_owned(), "--nocapture".to_owned()],
    };
    let command = (!options.command.is_empty()).then(|| Step {
        name: options.command.join(" "),
        limit,
        command: options.command.clone(),
    });
    options.test.iter().map(test).chain(command).collect()
}
