//! The command line of `evictd top`.

use std::{path::PathBuf, time::Duration};

use super::column::Column;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Columns: WRITE/s is what a container itself writes to files; LOG/s is its stdout, which the runtime
writes for it, counted by log directory; GROWTH/s is space taken on the disk less space given back;
TASKS are threads; MEMORY is the working set. Bytes are in powers of 1024. `?` is unknown (the last lines say why), `-` is
what this row cannot have. System services, the runtime and logins are shown by their cgroup, as far as
they are no pod's; `(others)` are cgroups that are gone.

Keys: n d w l g t p f m r e sort by name, disk, write, log, growth, tasks, processes, forks, memory,
memory beyond the request, events; the same key again reverses. / filters, Esc drops the filter, arrows scroll, q quits.

Examples:
  evictd top                                       the running evictd, or probes of its own
  evictd top --once --sort log --top 5             who writes the most log right now
  evictd top --json --interval 5s | jq -c '.rows[] | select(.forks_per_second > 100)'
  evictd top --config evictd.yaml --pods ./pods    no evictd runs: thresholds and pods from here

Exit codes: 0 ended as asked, 1 cannot run here, 2 bad input.")]
pub struct Args {
    /// Where a running evictd answers. If none does, the probes are loaded for as long as this runs.
    #[arg(long, value_name = "PATH", default_value = crate::state::SOCKET)]
    pub socket: PathBuf,

    /// Without a running evictd: thresholds, paths and pods from this configuration, evictd's or the
    /// kubelet's. Without it the kubelet's default thresholds are shown.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Without a running evictd: a directory of ordinary Pod manifests. Without pods, containers are
    /// shown by cgroup.
    #[arg(long, value_name = "DIR")]
    pub pods: Option<PathBuf>,

    /// One table (or object) after one interval, then end.
    #[arg(long, conflicts_with = "count")]
    pub once: bool,

    /// JSON Lines: one object an interval.
    #[arg(long)]
    pub json: bool,

    /// What rates are formed over.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,

    /// End after so many intervals.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// What rows are sorted by; the largest first.
    #[arg(long, value_name = "COLUMN", default_value = "disk")]
    pub sort: Column,

    /// The smallest first.
    #[arg(long)]
    pub reverse: bool,

    /// Only rows whose name contains this, in any case.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub filter: String,

    /// No more than so many rows.
    #[arg(long, value_name = "ROWS")]
    pub top: Option<usize>,
}

/// Rates over less would be noise, and nobody looks at a table for longer.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

fn interval(text: &str) -> Result<Duration, String> {
    let span = evictd_core::parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&span) {
        Ok(span)
    } else {
        Err("allowed: 100ms to 1h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_as_in_a_configuration() {
        let cases = [
            ("1s", Some(1000)),
            ("100ms", Some(100)),
            ("1m30s", Some(90_000)),
            ("99ms", None),
            ("2h", None),
            ("-1s", None),
            ("5", None),
            ("", None),
        ];
        for (text, millis) in cases {
            assert_eq!(interval(text).ok(), millis.map(Duration::from_millis), "{text:?}");
        }
    }
}
