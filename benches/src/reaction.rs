//! `evictd-bench reaction`: the incidents of the demo, many times.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context as _, Result, bail};
use evictd_tests::{
    evictd,
    inbox::Inbox,
    incident::{self, Report},
    kind::Kind,
    session::Session,
};

use crate::figures::Figures;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each kind of incident happens
    #[arg(long, default_value_t = 20)]
    trials: u32,
    /// Only this kind of incident (may be given more than once) [default: all]
    #[arg(long, value_enum)]
    incident: Vec<Kind>,
    /// The evictd to measure [default: $EVICTD_BIN, else the one beside this program]
    #[arg(long, value_name = "PATH")]
    evictd: Option<PathBuf>,
    /// Also write the figures as JSON to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Measures; true if every incident went well.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        bail!("needs root: it mounts a filesystem, makes cgroups and loads BPF programs");
    }
    let inbox = Inbox::default();
    inbox.catch_signals()?;
    let binary = options.evictd.clone().map_or_else(evictd::binary, Ok)?;
    let mut evictd = evictd::Options::new(&binary, "enforce");
    evictd.more_args.push("--probe-stats".to_owned());
    let mut session = Session::start(inbox, &evictd)?;
    let reports = match incidents(&mut session, options) {
        Ok(reports) => reports,
        Err(e) => return Err(e.context(format!("evictd's log ends:\n{}", session.log_tail()))),
    };
    let started = session.started().clone();
    let ended = session.stop()?;
    let figures = Figures::new(options.trials, &started, &reports, &ended.stopped)?;
    print!("{}", figures.table());
    if let Some(path) = &options.output {
        let json = serde_json::to_string_pretty(&figures)?;
        fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    let all_well = reports.iter().all(Report::is_success);
    Ok(all_well && ended.status.success())
}

fn incidents(session: &mut Session, options: &Options) -> Result<Vec<Report>> {
    let kinds: &[Kind] = if options.incident.is_empty() { &Kind::ALL } else { &options.incident };
    let began = Instant::now();
    let mut reports = Vec::new();
    for trial in 1..=options.trials {
        for &kind in kinds {
            let report = incident::run(session, kind, trial, &mut |_| {})?;
            if let Some(failure) = &report.failure {
                eprintln!("{} {trial}: {failure}", kind.name());
            }
            reports.push(report);
        }
        eprintln!("{trial}/{} after {:.0} s", options.trials, began.elapsed().as_secs_f64());
    }
    Ok(reports)
}
