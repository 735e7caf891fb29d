//! What a guest's lines come to.

use std::collections::BTreeSet;

use anyhow::Result;

use super::libtest::{Reader, Show};
use super::tally::Tally;
use crate::vm::guest::{GuestLine, Verdict};
use crate::vm::initramfs::Step;

/// Turns the guest's lines into counts: a test program's tests one by one, any other step as one.
pub(super) struct Results<'a> {
    tests: &'a BTreeSet<String>,
    tally: Tally,
    /// The running step, if it is a test program.
    reader: Option<Reader>,
    /// Steps that have ended.
    ended: BTreeSet<String>,
}

impl<'a> Results<'a> {
    pub(super) fn new(tests: &'a BTreeSet<String>) -> Self {
        Self { tests, tally: Tally::default(), reader: None, ended: BTreeSet::new() }
    }

    pub(super) fn line(&mut self, line: &str) -> Show {
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
        self.ended.insert(step.to_owned());
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

    /// The machine is lost, and what ran in it runs again in another: of `steps` those that have not ended.
    pub(super) fn undone(&mut self, steps: Vec<Step>) -> Vec<Step> {
        self.reader = None;
        steps.into_iter().filter(|step| !self.ended.contains(&step.name)).collect()
    }

    /// `off` tells whether the machine ran to the end of its plan.
    pub(super) fn finish(mut self, off: Result<()>, planned: usize) -> Tally {
        if let Some(reader) = self.reader.take() {
            self.tally.add(reader.finish());
        }
        if let Err(error) = off {
            self.tally.fail(format!("{error:#}"));
        } else if self.ended.len() != planned {
            self.tally.fail(format!("{} of {planned} steps ended", self.ended.len()));
        }
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tally(text: &str, off: Result<()>) -> Tally {
        let tests = BTreeSet::from(["faults".to_owned()]);
        let mut results = Results::new(&tests);
        for line in text.lines() {
            results.line(line);
        }
        results.finish(off, 2)
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

    #[test]
    fn what_had_not_ended_in_a_lost_machine_runs_in_another() {
        let tests = BTreeSet::from(["faults".to_owned(), "space".to_owned()]);
        let mut results = Results::new(&tests);
        let lost = "evictd-vm: faults: start\nrunning 1 test\ntest a ... ok\n\
             test result: ok. 1 passed; 0 failed; 0 ignored\nevictd-vm: faults: ok\n\
             evictd-vm: space: start\nrunning 2 tests\ntest b ... FAILED\n";
        lost.lines().for_each(|line| {
            results.line(line);
        });
        let step =
            |name: &str| Step { name: name.to_owned(), limit: Duration::ZERO, command: Vec::new() };
        let undone = results.undone(vec![step("faults"), step("space")]);
        assert_eq!(undone.iter().map(|step| &*step.name).collect::<Vec<_>>(), ["space"]);
        let again = "evictd-vm: space: start\nrunning 1 test\ntest b ... ok\n\
             test result: ok. 1 passed; 0 failed; 0 ignored\nevictd-vm: space: ok\n";
        again.lines().for_each(|line| {
            results.line(line);
        });
        let tally = results.finish(Ok(()), 2);
        assert_eq!((tally.passed, tally.failed), (2, 0));
    }
}
