//! The VM suite: integration tests and incidents on each kernel of the matrix, two machines at a time.
//!
//! Emulation is slow, so a test runs where a kernel can change its outcome: see [`Tests`], [`SAME_EVERYWHERE`] and
//! [`FILESYSTEM_FACING`]. A test program that neither names runs on both series.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::libtest::Show;
use super::results::Results;
use super::suite::create;
use super::tally::Tally;
use crate::build::{Built, INCIDENTS, Programs};
use crate::e2e;
use crate::progress::step;
use crate::vm::BOOT_LIMIT;
use crate::vm::boot::Machine;
use crate::vm::initramfs::{Initramfs, Step};
use crate::vm::kernel::{KERNELS, Kernel, Tests};
use crate::workspace::Workspace;

/// One test program, under emulation: those that go through every rung on three filesystems are slow.
const PROGRAM_LIMIT: Duration = Duration::from_secs(900);
const INCIDENTS_LIMIT: Duration = Duration::from_secs(300);

/// Machines that run at a time: each of them waits for its disk and its timers for a part of its time.
const MACHINES: usize = 2;

/// How many machines of a kernel may be lost to [`Machine::was_tripped`].
const MACHINES_LOST: u32 = 3;

/// Test programs about evictd's own decisions, words and files: what they need of the kernel is what others, which
/// run on both series, show to be there.
const SAME_EVERYWHERE: [&str; 14] = [
    "bad_input",
    "check",
    "cleanup",
    "layouts",
    "limits",
    "logfs",
    "own_pod",
    "reclaim",
    "reload",
    "runtime",
    "sandbox",
    "soft",
    "top",
    "trace",
];

/// Test programs that no guest runs, beside those that need an API server: they talk HTTP to a part of themselves, and
/// no kernel has a say in that.
const HOST_ONLY: [&str; 5] = ["asking", "http", "image", "kubelet_port", "outbox_faults"];

/// Test programs that run where only [`Tests::FilesystemFacing`] are wanted, and of each the tests whose names
/// contain one of these (none: all).
const FILESYSTEM_FACING: [(&str, &[&str]); 5] = [
    ("doctor", &[]),
    ("log_writers", &["is_named_with_its_file"]),
    ("probes", &["writes_are_exact", "log_writes_follow"]),
    ("space", &[]),
    ("write_paths", &[]),
];

/// The tests of a program that a kernel is to run: those whose names contain one of these, all if there are none.
fn wanted(tests: Tests, program: &str) -> Option<&'static [&'static str]> {
    match tests {
        Tests::All => Some(&[]),
        Tests::KernelFacing => (!SAME_EVERYWHERE.contains(&program)).then_some(&[]),
        Tests::FilesystemFacing => {
            let facing = FILESYSTEM_FACING.iter().find(|(name, _)| *name == program);
            facing.map(|(_, filters)| *filters)
        }
    }
}

pub(super) fn run(workspace: &Workspace, built: Built) -> Result<Tally> {
    let Built { programs, mut tests } = built;
    let facing = FILESYSTEM_FACING.iter().map(|(name, _)| name);
    let host_only = HOST_ONLY.iter().chain(&e2e::PROGRAMS);
    let mut named = facing.chain(&SAME_EVERYWHERE).chain(host_only.clone());
    if let Some(name) = named.find(|name| !tests.contains_key(**name)) {
        bail!("there is no test program {name}");
    }
    tests.retain(|name, _| !host_only.clone().any(|other| *other == name));

    let mut total = Tally::default();
    for (kernel, tally) in KERNELS.iter().zip(on_each_kernel(|kernel| {
        let what = format!("tests on Linux {}", kernel.name);
        step(&what, || on_kernel(workspace, kernel, &programs, &tests))
    })) {
        total.add(tally?.within(&format!("vm {}", kernel.name)));
    }
    Ok(total)
}

/// Does the work for every kernel, [`MACHINES`] at a time; what came of it in the order of [`KERNELS`]. What goes
/// wrong on one does not keep the others from being tested.
fn on_each_kernel<T: Send>(work: impl Fn(&'static Kernel) -> Result<T> + Sync) -> Vec<Result<T>> {
    let waiting = Mutex::new(KERNELS.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..MACHINES {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((place, kernel)) = next else { break };
                    let result = work(kernel);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

fn on_kernel(
    workspace: &Workspace,
    kernel: &Kernel,
    programs: &Programs,
    tests: &Programs,
) -> Result<Tally> {
    let wanted = |name: &str| wanted(kernel.tests, name);
    let tests = tests.iter().filter(|(name, _)| wanted(name).is_some());
    let tests: Programs = tests.map(|(name, path)| (name.clone(), path.clone())).collect();
    let names: BTreeSet<String> = tests.keys().cloned().collect();
    let packed: Programs = programs.clone().into_iter().chain(tests).collect();
    let mut steps = plan(&names, |name| wanted(name).unwrap_or_default());
    let planned = steps.len();
    let mut log = create(&workspace.scratch().join("vm").join(kernel.name).join("guest.log"))?;
    let mut results = Results::new(&names);
    let mut lost = 0;
    loop {
        let machine = Machine::prepare(workspace, kernel, |folder| {
            Initramfs::pack(&folder.join("initramfs.cpio"), kernel, &packed, &steps)
        })?;
        let off = machine.boot(PROGRAM_LIMIT + BOOT_LIMIT, |line| {
            // The log is for people: a full disk must not end the run.
            let _logged = writeln!(log, "{line}");
            if results.line(line) == Show::Yes && !line.is_empty() {
                println!("{:>10} | {line}", kernel.name);
            }
        });
        if off.is_err() && machine.was_tripped() && lost < MACHINES_LOST {
            lost += 1;
            steps = results.undone(steps);
            let at = steps.first().map_or("the end", |step| &step.name);
            println!("{:>10} | its emulator tripped (int3) in {at}: another goes on", kernel.name);
            continue;
        }
        let mut tally = results.finish(off, planned);
        tally.explain("the machine's console ends:", machine.console_end());
        return Ok(tally);
    }
}

/// Every test program, with its filters, then the demo's incidents.
fn plan<'a>(tests: &BTreeSet<String>, filters: impl Fn(&str) -> &'a [&'a str]) -> Vec<Step> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let mut steps: Vec<Step> = tests
        .iter()
        .map(|name| Step {
            name: name.clone(),
            limit: PROGRAM_LIMIT,
            command: words(
                &[&[name, "--test-threads=1", "--show-output"][..], filters(name)].concat(),
            ),
        })
        .collect();
    steps.push(Step {
        name: INCIDENTS.to_owned(),
        limit: INCIDENTS_LIMIT,
        command: words(&[INCIDENTS, "--evictd", "/bin/evictd"]),
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_run_what_they_can_change() {
        let cases = [
            (Tests::All, "top", true),
            (Tests::KernelFacing, "top", false),
            (Tests::KernelFacing, "new", true),
            (Tests::FilesystemFacing, "new", false),
            (Tests::FilesystemFacing, "space", true),
        ];
        for (tests, program, expected) in cases {
            assert_eq!(wanted(tests, program).is_some(), expected, "{program} where {tests:?}");
        }
        let names = BTreeSet::from(["probes".to_owned()]);
        let steps = plan(&names, |name| wanted(Tests::FilesystemFacing, name).unwrap());
        let [probes, incidents] = &*steps else { panic!("two steps") };
        let words = [
            "probes",
            "--test-threads=1",
            "--show-output",
            "writes_are_exact",
            "log_writes_follow",
        ];
        assert_eq!(probes.command, words);
        assert_eq!(incidents.name, INCIDENTS);
    }

    #[test]
    fn results_are_in_the_order_of_the_kernels_and_failures_are_theirs() {
        let results = on_each_kernel(|kernel| match kernel.name {
            "6.12" => bail!("no 6.12"),
            name => Ok(name),
        });
        for (kernel, result) in KERNELS.iter().zip(results) {
            match result {
                Ok(name) => assert_eq!(name, kernel.name),
                Err(error) => assert_eq!(error.to_string(), format!("no {}", kernel.name)),
            }
        }
    }
}
