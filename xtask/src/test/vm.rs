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

use super::libtest::{Reader, Show};
use super::suite::create;
use super::tally::Tally;
use crate::build::{Built, INCIDENTS, Programs};
use crate::e2e;
use crate::progress::step;
use crate::vm::BOOT_LIMIT;
use crate::vm::boot::Machine;
use crate::vm::guest::{GuestLine, Verdict};
use crate::vm::initramfs::{Initramfs, Step};
use crate::vm::kernel::{KERNELS, Kernel, Tests};
use crate::workspace::Workspace;

/// One test program, under emulation: those that go through every rung on three filesystems are slow.
const PROGRAM_LIMIT: Duration = Duration::from_secs(900);
const INCIDENTS_LIMIT: Duration = Duration::from_secs(300);

/// Machines that run at a time: each of them waits for its disk and its timers for a part of its time.
const MACHINES: usize = 2;

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
    let steps = plan(&names, |name| wanted(name).unwrap_or_default());
    let limit = steps.iter().map(|step| step.limit).sum::<Duration>() + BOOT_LIMIT;
    let machine = Machine::prepare(workspace, kernel, |folder| {
        Initramfs::pack(&folder.join("initramfs.cpio"), kernel, &packed, &steps)
    })?;
    let mut log = create(&workspace.scratch().join("vm").join(kernel.name).join("guest.log"))?;
    let mut results = Results::new(&names);
    let off = machine.boot(limit, |line| {
        // The log is for people: a full disk must not end the run.
        let _logged = writeln!(log, "{line}");
        if results.line(line) == Show::Yes && !line.is_empty() {
            println!("{:>10} | {line}", kernel.name);
        }
    });
    let mut tally = results.finish(off, steps.len());
    tally.explain("the machine's console ends:", machine.console_end());
    Ok(tally)
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

/// Turns the guest's lines into counts: a test program's tests one by one, any other step as one.
struct Results<'a> {
    tests: &'a BTreeSet<String>,
    tally: Tally,
    /// The running step, if it is a test program.
    reader: Option<Reader>,
    ended: usize,
}

impl<'a> Results<'a> {
    fn new(tests: &'a BTreeSet<String>) -> Self {
        Self { tests, tally: Tally::default(), reader: None, ended: 0 }
    }

    fn line(&mut self, line: &str) -> Show {
        match GuestLine::parse(line) {
            GuestLine::Started(step) => {
                self.reader = self.tests.contains(step).then(Reader::default);
                Show::No
            }
            GuestLine::Ended { step, verdict } => {
                self.end(step, &verdict);
                Show::Yes
            }
            GuestLine::Output(text) => self.reader.as_mut().map_or(Show::Yes, |r| r.line(text)),
            GuestLine::Kernel(_) => Show::Yes,
            GuestLine::Done => Show::No,
        }
    }

    fn end(&mut self, step: &str, verdict: &Verdict) {
        self.ended += 1;
        let test_program = self.reader.take();
        let single = test_program.is_none();
        let own = test_program.map_or_else(Tally::default, Reader::finish);
        let seen = own.failed;
        self.tally.add(own.within(step));
        let reason = match verdict {
            Verdict::Ok if single => return self.tally.pass(),
            Verdict::Ok => return,
            Verdict::Exited(code) => format!("{step}: exit code {code}"),
            Verdict::Failed(reason) => format!("{step}: {reason}"),
        };
        if seen == 0 {
            self.tally.fail(reason);
        }
    }

    /// `off` tells whether the machine ran to the end of its plan.
    fn finish(mut self, off: Result<()>, planned: usize) -> Tally {
        if let Some(reader) = self.reader.take() {
            self.tally.add(reader.finish());
        }
        if let Err(error) = off {
            self.tally.fail(format!("{error:#}"));
        } else if self.ended != planned {
            self.tally.fail(format!("{} of {planned} steps ended", self.ended));
        }
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str, off: Result<()>) -> Tally {
        let tests = BTreeSet::from(["faults".to_owned()]);
        let mut results = Results::new(&tests);
        for line in text.lines() {
            results.line(line);
        }
        results.finish(off, 2)
    }

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

    const FAULTS: &str = "evictd-vm: kernel 6.1.0\nevictd-vm: faults: start\nrunning 2 tests\n\
         test a ... ok\ntest b ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n\
         evictd-vm: faults: FAILED (exit 101)\n";

    #[test]
    fn tests_count_one_by_one_and_other_steps_as_one() {
        let cases = [("ok", "ok", (2, 1)), ("failed", "FAILED (exit 1)", (1, 2))];
        for (name, verdict, counts) in cases {
            let end = format!("evictd-vm: incidents: start\nevictd-vm: incidents: {verdict}\n");
            let tally = tally(&format!("{FAULTS}{end}evictd-vm: done\n"), Ok(()));
            assert_eq!((tally.passed, tally.failed), counts, "{name}");
            assert_eq!(tally.failures[0].what, "faults: b", "{name}");
        }
    }

    #[test]
    fn a_machine_that_dies_is_a_failure() {
        let tally = tally(FAULTS, Err(anyhow::anyhow!("went off")));
        assert_eq!((tally.passed, tally.failed), (1, 2));
        assert_eq!(tally.failures[1].what, "went off");
    }

    #[test]
    fn a_killed_test_program_is_a_failure() {
        let text = "evictd-vm: faults: start\nrunning 1 test\n\
             evictd-vm: faults: FAILED (no end after 600 s)\nevictd-vm: x: start\nevictd-vm: x: ok\n";
        let tally = tally(text, Ok(()));
        assert_eq!((tally.passed, tally.failed), (1, 1));
    }
}
