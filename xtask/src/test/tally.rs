//! What a run of tests came to.

use std::fmt;

/// Counts over any number of test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// What could not run, and why; one entry for each skipped test.
    pub(crate) skipped: Vec<String>,
    /// Where a failure was not one of a named test, or which test it was.
    pub(crate) failures: Vec<String>,
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
        self.failures.push(what.into());
    }

    pub(crate) fn skip(&mut self, what: &str, reason: &str) {
        self.skipped.push(format!("{what}: {reason}"));
    }

    /// Puts a suite's name before what is listed.
    pub(crate) fn within(mut self, suite: &str) -> Self {
        for entry in self.skipped.iter_mut().chain(&mut self.failures) {
            entry.insert_str(0, &format!("{suite}: "));
        }
        self
    }
}

/// Lists failures and what could not run, then the closing line that CI reads.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, entries) in [("failed", &self.failures), ("could not run", &self.skipped)] {
            if !entries.is_empty() {
                writeln!(f, "\n{title}:")?;
            }
            for entry in entries {
                writeln!(f, "  {entry}")?;
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
        part.skip("c::d", "not root");
        let mut total = Tally::default();
        total.pass();
        total.add(part.within("host"));
        assert_eq!(
            total.to_string(),
            "\nfailed:\n  host: a::b\n\ncould not run:\n  host: c::d: not root\n\n\
             2 passed, 1 failed, 1 skipped\n"
        );
    }
}
