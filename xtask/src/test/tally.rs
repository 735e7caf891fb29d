//! What a run of tests came to.

use std::fmt;

/// Counts over any number of test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// What could not run, and why; one entry for each skipped test.
    pub(crate) skipped: Vec<String>,
    pub(crate) failures: Vec<Failure>,
}

/// One failed test, or what else went wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) what: String,
    /// The end of what it printed.
    pub(crate) output: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
        self.failures.extend(other.failures);
    }

    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failed += 1;
        self.failures.push(Failure { what: what.into(), output: Vec::new() });
    }

    pub(crate) fn skip(&mut self, what: &str, reason: &str) {
        self.skipped.push(format!("{what}: {reason}"));
    }

    /// Adds to what the last failure printed, if there is one.
    pub(crate) fn explain(&mut self, heading: &str, lines: Vec<String>) {
        if let Some(failure) = self.failures.last_mut() {
            failure.output.push(heading.to_owned());
            failure.output.extend(lines);
        }
    }

    /// Puts a suite's name before what is listed.
    pub(crate) fn within(mut self, suite: &str) -> Self {
        let failures = self.failures.iter_mut().map(|failure| &mut failure.what);
        for entry in self.skipped.iter_mut().chain(failures) {
            entry.insert_str(0, &format!("{suite}: "));
        }
        self
    }
}

/// Lists what could not run and what failed, then the closing line that CI reads.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.skipped.is_empty() {
            writeln!(f, "\ncould not run:")?;
        }
        for entry in &self.skipped {
            writeln!(f, "  {entry}")?;
        }
        if !self.failures.is_empty() {
            writeln!(f, "\nfailed:")?;
        }
        for Failure { what, output } in &self.failures {
            writeln!(f, "  {what}")?;
            for line in output {
                writeln!(f, "      {line}")?;
            }
        }
        let Self { passed, failed, skipped, .. } = self;
        writeln!(f, "\n{passed} passed, {failed} failed, {} skipped", skipped.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_lists_and_ends_with_the_closing_line() {
        let mut part = Tally::default();
        part.pass();
        part.fail("a::b");
        part.failures[0].output.push("boom".to_owned());
        part.explain("console:", vec!["oops".to_owned()]);
        part.skip("c::d", "not root");
        let mut total = Tally::default();
        total.explain("nothing failed, so this goes nowhere", Vec::new());
        total.pass();
        total.add(part.within("host"));
        assert_eq!(
            total.to_string(),
            "\ncould not run:\n  host: c::d: not root\n\nfailed:\n  host: a::b\n      boom\n      console:\n      oops\n\n\
             2 passed, 1 failed, 1 skipped\n"
        );
    }
}
