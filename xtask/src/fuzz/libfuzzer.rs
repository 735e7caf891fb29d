//! What libFuzzer prints.

/// Its closing figures.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    /// Inputs tried.
    pub(super) executions: u64,
    /// Inputs kept because they reached something new.
    pub(super) new_inputs: u64,
}

impl Stats {
    /// What is not told is 0: a target that ends before the first input tells nothing.
    pub(super) fn of(log: &str) -> Self {
        let figure = |name| value(log, name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self {
            executions: figure("stat::number_of_executed_units:"),
            new_inputs: figure("stat::new_units_added:"),
        }
    }
}

/// The file that holds the input on which the target failed.
pub(super) fn failing_input(log: &str) -> Option<&str> {
    log.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path))
}

/// The panic's own words: what stands below the line that names its place.
pub(super) fn complaint(log: &str) -> Option<&str> {
    let (_, said) = log.split_once(" panicked at ")?;
    let (_, said) = said.split_once('\n')?;
    let end = ["\nnote: ", "\nstack backtrace:", "\n=="]
        .iter()
        .filter_map(|mark| said.find(mark))
        .min()
        .unwrap_or(said.len());
    Some(said[..end].trim_end())
}

fn value<'a>(log: &'a str, name: &str) -> Option<&'a str> {
    log.lines().rev().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: &str = "\
#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 30Mb
thread '<unnamed>' (7021) panicked at fuzz/src/quantity.rs:31:13:
assertion `left == right` failed: \"9\"
  left: 1
 right: 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
==7021== ERROR: libFuzzer: deadly signal
artifact_prefix='/t/'; Test unit written to /t/crash-dc9e
stat::number_of_executed_units: 329
stat::new_units_added:          14
";

    #[test]
    fn a_crash_tells_its_figures_input_and_words() {
        assert_eq!(Stats::of(CRASH), Stats { executions: 329, new_inputs: 14 });
        assert_eq!(failing_input(CRASH), Some("/t/crash-dc9e"));
        let words = "assertion `left == right` failed: \"9\"\n  left: 1\n right: 2";
        assert_eq!(complaint(CRASH), Some(words));
    }

    #[test]
    fn a_quiet_end_tells_nothing() {
        assert_eq!(Stats::of("Done 0 runs\n"), Stats::default());
        assert_eq!(failing_input("Done 0 runs\n"), None);
        assert_eq!(complaint("Done 0 runs\n"), None);
    }
}
