//! `verifier`: what the kernels' verifiers look at for each program, against the committed record.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Linkage, Profile, Programs};
use crate::demo::require_root;
use crate::progress::step;
use crate::setup::{self, Purpose};
use crate::vm::BOOT_LIMIT;
use crate::vm::boot::Machine;
use crate::vm::guest::{GuestLine, Verdict};
use crate::vm::initramfs::{Initramfs, Step};
use crate::vm::kernel::{KERNELS, Kernel};
use crate::workspace::Workspace;

/// The record, in the repository.
const RECORD: &str = "tests/verifier.json";
/// The integration test that measures and compares.
const TEST: &str = "verifier";
/// What it prints before the figures of its kernel.
const MEASURED: &str = "verified instructions: ";
const LIMIT: Duration = Duration::from_secs(600);

/// Verified instructions by release series and program.
type Record = BTreeMap<String, BTreeMap<String, u32>>;

/// Counts the instructions that the verifier looks at to let each program in, on this kernel and on
/// those of the VMs, and compares them with the committed record.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the record anew, for the kernels that were asked
    #[arg(long)]
    accept: bool,
    /// This kernel only
    #[arg(long)]
    host: bool,
}

/// What one kernel answered.
struct Answer {
    machine: String,
    measured: Option<Record>,
    passed: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    require_root("verifier")?;
    let workspace = Workspace::load()?;
    let mut purposes = vec![Purpose::Build];
    if !options.host {
        purposes.extend([Purpose::StaticBuild, Purpose::Vm]);
    }
    setup::ensure(&workspace.pins, &purposes)?;
    let mut answers = vec![step("this kernel", || on_host(&workspace))?];
    if !options.host {
        // The object is the same in both profiles.
        let tests = build::static_tests(&workspace, &[TEST])?;
        let mut programs = build::programs(&workspace, Profile::Debug, Linkage::Static)?;
        programs.extend(tests);
        for kernel in &KERNELS {
            let what = format!("Linux {}", kernel.name);
            answers.push(step(&what, || in_vm(&workspace, kernel, &programs))?);
        }
    }
    if options.accept {
        return accept(&workspace, answers);
    }
    Ok(if answers.iter().all(|answer| answer.passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn on_host(workspace: &Workspace) -> Result<Answer> {
    let mut cargo = build::cargo(workspace, "test", Linkage::Dynamic)?;
    cargo.args(["--package", "evictd-tests", "--test", TEST, "--", "--nocapture"]);
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo test")?;
    let mut measured = None;
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        see(&line?, &mut measured)?;
    }
    let passed = child.wait()?.success();
    Ok(Answer { machine: "this kernel".to_owned(), measured, passed })
}

fn in_vm(workspace: &Workspace, kernel: &Kernel, programs: &Programs) -> Result<Answer> {
    let steps = [Step {
        name: TEST.to_owned(),
        limit: LIMIT,
        command: vec![TEST.to_owned(), "--nocapture".to_owned()],
    }];
    let machine = Machine::prepare(workspace, kernel, |folder| {
        Initramfs::pack(&folder.join("initramfs.cpio"), kernel, programs, &steps)
    })?;
    let (mut measured, mut passed, mut read) = (None, false, Ok(()));
    machine.boot(LIMIT + BOOT_LIMIT, |line| match GuestLine::parse(line) {
        GuestLine::Output(text) => {
            if let Err(error) = see(text, &mut measured) {
                read = Err(error);
            }
        }
        GuestLine::Ended { verdict, .. } => passed = verdict == Verdict::Ok,
        GuestLine::Kernel(_) | GuestLine::Started(_) | GuestLine::Done => {}
    })?;
    read?;
    Ok(Answer { machine: kernel.name.to_owned(), measured, passed })
}

/// Keeps the figures, shows everything else.
fn see(line: &str, measured: &mut Option<Record>) -> Result<()> {
    match line.split_once(MEASURED) {
        Some((_, figures)) => *measured = Some(serde_json::from_str(figures).context(TEST)?),
        None => println!("{line}"),
    }
    Ok(())
}

/// Writes the record: series that were not measured stay as they are.
fn accept(workspace: &Workspace, answers: Vec<Answer>) -> Result<ExitCode> {
    let path = workspace.root.join(RECORD);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let old: Record = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let mut measured = Vec::new();
    for Answer { machine, measured: figures, .. } in answers {
        match figures {
            Some(figures) => measured.push(figures),
            None => bail!("{machine} has told no figures; the record stays as it is"),
        }
    }
    let record = merged(&old, measured);
    for line in changes(&old, &record) {
        println!("{line}");
    }
    let text = serde_json::to_string_pretty(&record)? + "\n";
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Several machines may run kernels of one series, each with filesystems of its own: the record is all
/// of their programs, and of two figures the larger.
fn merged(old: &Record, measured: Vec<Record>) -> Record {
    let mut new = Record::new();
    for (series, programs) in measured.into_iter().flatten() {
        let known = new.entry(series).or_default();
        for (program, figure) in programs {
            let most = known.entry(program).or_insert(figure);
            *most = figure.max(*most);
        }
    }
    for (series, programs) in old {
        new.entry(series.clone()).or_insert_with(|| programs.clone());
    }
    new
}

/// One line for each figure that is another now.
fn changes(old: &Record, new: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for (series, programs) in new {
        let before = old.get(series);
        for (program, now) in programs {
            match before.and_then(|programs| programs.get(program)) {
                Some(then) if then == now => {}
                Some(then) => lines.push(format!("{series:<6} {program:<26} {then} -> {now}")),
                None => lines.push(format!("{series:<6} {program:<26} new, {now}")),
            }
        }
        for program in before.into_iter().flat_map(BTreeMap::keys) {
            if !programs.contains_key(program) {
                lines.push(format!("{series:<6} {program:<26} gone"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn machines_of_a_series_are_one_record_and_other_series_stay() {
        let old = record(r#"{"6.1":{"a":1,"gone":9},"6.18":{"a":5}}"#);
        let measured =
            vec![record(r#"{"6.1":{"a":2,"b":3}}"#), record(r#"{"6.1":{"a":4,"xfs":7}}"#)];
        let new = merged(&old, measured);
        assert_eq!(new, record(r#"{"6.1":{"a":4,"b":3,"xfs":7},"6.18":{"a":5}}"#));
        let lines: Vec<String> = changes(&old, &new)
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines, ["6.1 a 1 -> 4", "6.1 b new, 3", "6.1 xfs new, 7", "6.1 gone gone"]);
    }
}
