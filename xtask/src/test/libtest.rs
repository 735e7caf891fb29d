//! Reader of what Rust's test programs print (with `--show-output`).

use std::collections::BTreeMap;

use super::tally::{Failure, Tally};

/// A test says so on a line of its own when the machine lacks what it needs; it then counts as
/// skipped although it returned.
const CANNOT_RUN: &str = "cannot run here:";

/// Reads one test program's output, or several in a row.
#[derive(Default)]
pub(crate) struct Reader {
    tally: Tally,
    /// A test has been announced and its verdict is still to come.
    pending: Option<String>,
    /// A program has begun and its result line is still to come.
    open: bool,
    place: Place,
    /// Tests of the current program that could not run.
    unable: Vec<(String, String)>,
    failed: Vec<String>,
    /// What its failed tests printed.
    outputs: BTreeMap<String, Vec<String>>,
}

/// Lines of a failed test's output that its summary repeats.
const LAST_LINES: usize = 40;

/// Where in the output the reader is.
#[derive(Default)]
enum Place {
    #[default]
    Verdicts,
    /// Output of tests that passed: of interest only to this reader.
    Successes {
        test: String,
    },
    Failures {
        test: String,
    },
}

/// Whether a line is worth a person's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Yes,
    No,
}

impl Reader {
    /// Takes the next line, without its end.
    pub(crate) fn line(&mut self, line: &str) -> Show {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.close(counts);
            return Show::Yes;
        }
        match line {
            "successes:" => self.place = Place::Successes { test: String::new() },
            "failures:" => self.place = Place::Failures { test: String::new() },
            _ => {}
        }
        match &mut self.place {
            Place::Verdicts => {
                self.verdict(line);
                Show::Yes
            }
            Place::Failures { test } => {
                if let Some(name) = section(line) {
                    name.clone_into(test);
                } else if !test.is_empty() {
                    self.outputs.entry(test.clone()).or_default().push(line.to_owned());
                }
                Show::Yes
            }
            Place::Successes { test } => {
                if let Some(name) = section(line) {
                    name.clone_into(test);
                } else if let Some((_, reason)) = line.split_once(CANNOT_RUN)
                    && self.unable.iter().all(|(known, _)| known != test)
                {
                    self.unable.push((test.clone(), reason.trim().to_owned()));
                }
                Show::No
            }
        }
    }

    /// The counts; a program that ended without its result line is a failure.
    pub(crate) fn finish(mut self) -> Tally {
        self.abandon();
        self.tally
    }

    fn begin(&mut self) {
        self.abandon();
        self.open = true;
    }

    fn abandon(&mut self) {
        if std::mem::take(&mut self.open) {
            let place = self.pending.take().unwrap_or_else(|| "no test".to_owned());
            self.tally.fail(format!("a test program ended without a result, in {place}"));
        }
    }

    /// With one test thread the name comes first and the verdict when the test has ended, with
    /// whatever the test's child processes wrote in between.
    fn verdict(&mut self, line: &str) {
        if line.starts_with("running ") && (line.ends_with(" test") || line.ends_with(" tests")) {
            self.begin();
        }
        let mut rest = line;
        if let Some((name, after)) =
            line.strip_prefix("test ").and_then(|test| test.split_once(" ... "))
        {
            self.pending = Some(name.trim_end_matches(" - should panic").to_owned());
            rest = after;
        }
        let Some(name) = self.pending.take() else {
            return;
        };
        if rest == "ok" {
        } else if rest == "FAILED" {
            self.failed.push(name);
        } else if let Some(reason) = rest.strip_prefix("ignored") {
            self.tally.skip(&name, reason.trim_start_matches(", "));
        } else {
            self.pending = Some(name);
        }
    }

    fn close(&mut self, counts: &str) {
        let unable = std::mem::take(&mut self.unable);
        let passed = count(counts, "passed");
        self.tally.passed += passed.saturating_sub(u32::try_from(unable.len()).unwrap_or(passed));
        self.tally.failed += count(counts, "failed");
        let mut outputs = std::mem::take(&mut self.outputs);
        for what in self.failed.drain(..) {
            let mut output = outputs.remove(&what).unwrap_or_default();
            output.retain(|line| !line.trim().is_empty());
            output.drain(..output.len().saturating_sub(LAST_LINES));
            self.tally.failures.push(Failure { what, output });
        }
        for (test, reason) in unable {
            self.tally.skip(&test, &reason);
        }
        self.place = Place::Verdicts;
        self.pending = None;
        self.open = false;
    }
}

/// The number before `what` in a text such as `ok. 3 passed; 1 failed; 0 ignored`.
fn count(counts: &str, what: &str) -> u32 {
    let words: Vec<&str> = counts.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair[1] == what);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// Test of a heading such as `---- module::test stdout ----`.
fn section(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Tally {
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.line(line);
        }
        reader.finish()
    }

    #[test]
    fn counts_are_summed_over_programs() {
        let tally = read(
            "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n\
             ---- b stdout ----\nboom\n\nfailures:\n    b\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.00s\n\
             running 3 tests\ntest c ... ok\ntest d - should panic ... ok\n\
             test e ... ignored, needs a moon\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed), (3, 1));
        let failure = Failure { what: "b".to_owned(), output: vec!["boom".to_owned()] };
        assert_eq!(tally.failures, [failure]);
        assert_eq!(tally.skipped, ["e: needs a moon"]);
    }

    #[test]
    fn a_test_that_could_not_run_is_skipped_not_passed() {
        let tally = read(
            "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n\
             ---- b stdout ----\ncannot run here: not root\ncannot run here: again\n\n\n\
             successes:\n    a\n    b\n\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed), (1, 0));
        assert_eq!(tally.skipped, ["b: not root"]);
    }

    #[test]
    fn a_verdict_may_come_after_foreign_output() {
        let tally = read(
            "running 2 tests\ntest a ... mkfs done\nFAILED\ntest b ... ok\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored\n",
        );
        assert_eq!(tally.failures[0].what, "a");
    }

    #[test]
    fn a_program_without_a_result_is_a_failure() {
        let cases = [
            ("last", "running 1 test\ntest a ... \n", 0),
            (
                "followed by another",
                "running 1 test\ntest a ... \nrunning 1 test\ntest b ... ok\n\
                 test result: ok. 1 passed; 0 failed; 0 ignored\n",
                1,
            ),
        ];
        for (name, text, passed) in cases {
            let tally = read(text);
            assert_eq!((tally.passed, tally.failed), (passed, 1), "{name}");
            let what = "a test program ended without a result, in a";
            assert_eq!(tally.failures[0].what, what, "{name}");
        }
    }

    #[test]
    fn output_of_passed_tests_is_not_shown() {
        let mut reader = Reader::default();
        let lines = ["test a ... ok", "successes:", "---- a stdout ----", "x", "failures:", "y"];
        let shown = lines.map(|line| reader.line(line));
        assert_eq!(shown, [Show::Yes, Show::No, Show::No, Show::No, Show::Yes, Show::Yes]);
    }
}
