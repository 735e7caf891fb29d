//! `path-table`: what the probes report of every write path, held against what was written, on this
//! kernel and in virtual machines; and `docs/write-paths.md`, which is made of it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::build::{self, Linkage, Profile, Programs};
use crate::demo::require_root;
use crate::process;
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::vm::BOOT_LIMIT;
use crate::vm::boot::Machine;
use crate::vm::guest::{GuestLine, Verdict};
use crate::vm::initramfs::{Initramfs, Step};
use crate::vm::kernel::{self, KERNELS, Kernel};
use crate::workspace::Workspace;

/// The program of evictd-tests that measures and draws.
const PROGRAM: &str = "evictd-paths";
const DOCUMENT: &str = "docs/write-paths.md";
const HOST: &str = "host";
/// Under emulation.
const LIMIT: Duration = Duration::from_secs(600);

/// Measures what the probes report of every write path, and makes docs/write-paths.md of it once
/// every kernel has been measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The kernel to measure: `host`, one of the VM matrix, or `all`; what was measured of others
    /// before is kept
    #[arg(long, value_name = "NAME", value_parser = subjects, default_value = "all")]
    kernel: Subjects,
    /// Print the findings instead of the table, a JSON object a line
    #[arg(long)]
    json: bool,
    /// Unoptimised programs, which are built sooner
    #[arg(long)]
    debug: bool,
}

#[derive(Clone)]
struct Subjects {
    host: bool,
    kernels: Vec<&'static Kernel>,
}

fn subjects(name: &str) -> Result<Subjects, String> {
    Ok(match name {
        "all" => Subjects { host: true, kernels: KERNELS.iter().collect() },
        HOST => Subjects { host: true, kernels: Vec::new() },
        name => {
            let kernel = kernel::by_name(name).map_err(|error| format!("{error}, {HOST}, all"))?;
            Subjects { host: false, kernels: vec![kernel] }
        }
    })
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let Subjects { host, kernels } = &options.kernel;
    if *host {
        require_root("path-table")?;
    }
    let workspace = Workspace::load()?;
    let mut purposes = vec![Purpose::Build];
    if !kernels.is_empty() {
        purposes.extend([Purpose::StaticBuild, Purpose::Vm]);
    }
    setup::ensure(&workspace.pins, &purposes)?;
    let profile = if options.debug { Profile::Debug } else { Profile::Release };
    let programs = build::programs(&workspace, profile, Linkage::Dynamic)?;
    let program = build::program(&programs, PROGRAM)?;

    let mut all_right = true;
    if *host {
        let file = findings(&workspace, HOST)?;
        all_right &= step("write paths on this kernel", || on_host(program, &file))?;
    }
    if !kernels.is_empty() {
        let programs = build::programs(&workspace, profile, Linkage::Static)?;
        for kernel in kernels {
            let what = format!("write paths on Linux {}", kernel.name);
            all_right &= step(&what, || in_vm(&workspace, kernel, &programs))?;
        }
    }
    report(&workspace, program, options.json)?;
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the findings of a kernel are kept.
fn findings(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.scratch().join("paths");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder.join(format!("{name}.jsonl")))
}

/// Returns whether every claim holds.
fn on_host(program: &Path, file: &Path) -> Result<bool> {
    let mut measure = Command::new(program);
    let output = measure.arg("measure").stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", process::line(&measure)))?;
    let right = ended_well(output.status.code())?;
    // The sandbox may print in between.
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.split_inclusive('\n').filter(|line| line.starts_with('{'));
    keep(file, lines.collect::<String>().as_bytes()).map(|()| right)
}

fn in_vm(workspace: &Workspace, kernel: &Kernel, programs: &Programs) -> Result<bool> {
    let command = vec![PROGRAM.to_owned(), "measure".to_owned()];
    let steps = [Step { name: PROGRAM.to_owned(), limit: LIMIT, command }];
    let machine = Machine::prepare(workspace, kernel, |folder| {
        Initramfs::pack(&folder.join("initramfs.cpio"), kernel, programs, &steps)
    })?;
    let (mut text, mut end) = (String::new(), None);
    machine.boot(LIMIT + BOOT_LIMIT, |line| match GuestLine::parse(line) {
        GuestLine::Output(line) if line.starts_with('{') => {
            text.push_str(line);
            text.push('\n');
        }
        GuestLine::Output(line) => eprintln!("{line}"),
        GuestLine::Ended { verdict, .. } => end = Some(verdict),
        GuestLine::Kernel(_) | GuestLine::Started(_) | GuestLine::Done => {}
    })?;
    let right = match end {
        Some(Verdict::Ok) => true,
        Some(Verdict::Exited(code)) => ended_well(Some(code.into()))?,
        Some(Verdict::Failed(reason)) => bail!("{PROGRAM} failed in the guest: {reason}"),
        None => bail!("{PROGRAM} was not run"),
    };
    keep(&findings(workspace, kernel.name)?, text.as_bytes()).map(|()| right)
}

/// 2 says that a claim does not hold; anything but 0 besides is a failure.
fn ended_well(code: Option<i32>) -> Result<bool> {
    match code {
        Some(0) => Ok(true),
        Some(2) => Ok(false),
        other => bail!("{PROGRAM} ended with {other:?}"),
    }
}

fn keep(file: &Path, text: &[u8]) -> Result<()> {
    fs::write(file, text).with_context(|| file.display().to_string())
}

/// Prints what is known of all kernels, and writes the document if that is complete.
fn report(workspace: &Workspace, program: &Path, json: bool) -> Result<()> {
    let (mut known, mut missing) = (Vec::new(), Vec::new());
    for name in [HOST].into_iter().chain(KERNELS.iter().map(|kernel| kernel.name)) {
        let file = findings(workspace, name)?;
        if file.is_file() { known.push((name, file)) } else { missing.push(name) }
    }
    let mut draw = Command::new(program);
    draw.arg("document");
    draw.args(known.iter().map(|(name, file)| format!("{name}={}", file.display())));
    let document = process::capture(&mut draw)?;
    if missing.is_empty() {
        keep(&workspace.root.join(DOCUMENT), document.as_bytes())?;
        eprintln!("{DOCUMENT} is made of {}", names(&known));
    } else {
        let missing = missing.join(", ");
        eprintln!("{DOCUMENT} stays as it is: there are no findings yet of {missing}");
    }
    if json { print_json(&known) } else { Ok(io::stdout().write_all(document.as_bytes())?) }
}

fn names(known: &[(&str, PathBuf)]) -> String {
    known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn print_json(known: &[(&str, PathBuf)]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    for (name, file) in known {
        for line in fs::read_to_string(file)?.lines() {
            let mut finding: Value = serde_json::from_str(line).context("a finding")?;
            if let Some(fields) = finding.as_object_mut() {
                fields.insert("kernel".to_owned(), Value::from(*name));
            }
            writeln!(stdout, "{finding}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_chosen_by_name() {
        for (name, host, kernels) in
            [("host", true, 0), ("all", true, KERNELS.len()), ("6.1", false, 1)]
        {
            let chosen = subjects(name).unwrap();
            assert_eq!((chosen.host, chosen.kernels.len()), (host, kernels), "{name}");
        }
        let error = subjects("5.4").err().unwrap();
        assert!(error.starts_with("no such kernel; there are 6.1") && error.ends_with("host, all"));
    }
}
