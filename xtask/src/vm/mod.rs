//! `vm`: a Debian kernel under QEMU, with the static binaries of this repository packed in.

pub(crate) mod boot;
mod cpio;
pub(crate) mod guest;
pub(crate) mod initramfs;
pub(crate) mod kernel;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::build::{self, Linkage, Profile};
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::workspace::Workspace;
use boot::Machine;
use guest::{GuestLine, Verdict};
use initramfs::{Initramfs, Step};
use kernel::Kernel;

/// Boots KERNEL and runs one of the packed static binaries in it, such as `evictd --version`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernel to boot
    #[arg(value_parser = kernel::by_name)]
    kernel: &'static Kernel,
    /// Seconds after which the command is ended
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Program in the guest's /bin, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Time for a kernel to boot and to power off, under emulation.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    setup::ensure(&workspace.pins, &[Purpose::Build, Purpose::StaticBuild, Purpose::Vm])?;
    let programs = build::programs(&workspace, Profile::Release, Linkage::Static)?;
    let limit = Duration::from_secs(options.timeout);
    let steps = [Step { name: "command".to_owned(), limit, command: options.command.clone() }];
    let machine = Machine::prepare(&workspace, options.kernel, |folder| {
        Initramfs::pack(&folder.join("initramfs.cpio"), &programs, &steps)
    })?;

    let mut verdict = Verdict::Failed("not run".to_owned());
    let what = format!("Linux {} runs {}", options.kernel.name, options.command.join(" "));
    step(&what, || {
        machine.boot(limit + BOOT_LIMIT, |line| match GuestLine::parse(line) {
            GuestLine::Output(text) => println!("{text}"),
            GuestLine::Ended { verdict: end, .. } => verdict = end,
            GuestLine::Kernel(_) | GuestLine::Started(_) | GuestLine::Done => {}
        })
    })?;
    Ok(match verdict {
        Verdict::Ok => ExitCode::SUCCESS,
        Verdict::Exited(code) => ExitCode::from(code),
        Verdict::Failed(reason) => {
            eprintln!("the command failed in the guest: {reason}");
            ExitCode::FAILURE
        }
    })
}
