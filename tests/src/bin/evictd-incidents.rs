//! Starts a sandboxed node, lets three real workloads go wrong, and shows what evictd does about it.
//! Exit code: 0 if exactly the offenders were evicted, 1 if not, 130 on Ctrl-C.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Result, bail};
use clap::Parser;
use evictd_tests::{
    evictd::{self, Options},
    inbox::{Inbox, WaitError},
    incident::{self, Report},
    kind::Kind,
    report::{JsonReport, Paint, histograms, incident_heading, rungs_line, stage_line, table},
    session::Session,
};

/// Lets real workloads go wrong on a sandboxed node and shows how evictd catches them.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The evictd to run [default: $EVICTD_BIN, else the one beside this program]
    #[arg(long, value_name = "PATH")]
    evictd: Option<PathBuf>,
    /// Print only one JSON object per incident
    #[arg(long)]
    json: bool,
    /// Only this kind of incident (may be given more than once) [default: all]
    #[arg(long, value_enum)]
    incident: Vec<Kind>,
    /// How often each kind happens
    #[arg(long, default_value_t = 1)]
    trials: u32,
    /// Go on after an incident that went badly
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) if is_interrupt(&e) => {
            eprintln!("interrupted; everything is cleaned up");
            ExitCode::from(130)
        }
        Err(e) => {
            eprintln!("evictd-incidents: {e:#}");
            ExitCode::from(1)
        }
    }
}

fn is_interrupt(error: &anyhow::Error) -> bool {
    error.chain().any(|e| matches!(e.downcast_ref(), Some(WaitError::Interrupted)))
}

fn run(args: &Args) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        bail!("needs root: it mounts a filesystem, makes cgroups and loads BPF programs");
    }
    let inbox = Inbox::default();
    inbox.catch_signals()?;
    let binary = args.evictd.clone().map_or_else(evictd::binary, Ok)?;
    let began = Instant::now();
    let mut session = Session::start(inbox, &Options::new(&binary, "enforce"))?;
    let paint = Paint::detect();
    if !args.json {
        let started = session.started();
        println!(
            "evictd {} on Linux {}, cgroup {}, {} pods, mode {}; node ready in {:.1} s",
            started.version,
            started.kernel,
            started.cgroup,
            started.pods,
            started.mode,
            began.elapsed().as_secs_f64()
        );
        println!("probes: {}\n", rungs_line(started));
    }
    let reports = match incidents(&mut session, args, paint) {
        Ok(reports) => reports,
        Err(e) if is_interrupt(&e) => return Err(e),
        Err(e) => return Err(e.context(format!("evictd's log ends:\n{}", session.log_tail()))),
    };
    finish(session, args, &reports, paint)
}

fn incidents(session: &mut Session, args: &Args, paint: Paint) -> Result<Vec<Report>> {
    let kinds = if args.incident.is_empty() { Kind::ALL.to_vec() } else { args.incident.clone() };
    let mut reports = Vec::new();
    for trial in 1..=args.trials {
        for &kind in &kinds {
            if !args.json {
                println!("{}", incident_heading(kind, trial, args.trials, paint));
            }
            let mut on_stage = |stage: &incident::Stage| {
                if !args.json {
                    println!("{}", stage_line(stage, paint));
                }
            };
            let report = incident::run(session, kind, trial, &mut on_stage)?;
            if args.json {
                println!(
                    "{}",
                    serde_json::to_string(&JsonReport::new(&report, session.started()))?
                );
            } else if let Some(failure) = &report.failure {
                println!("  {}\n", paint.bad(failure));
            } else {
                println!();
            }
            let failed = !report.is_success();
            reports.push(report);
            if failed && !args.keep_going {
                return Ok(reports);
            }
        }
    }
    Ok(reports)
}

/// Stops everything and gives the verdict.
fn finish(mut session: Session, args: &Args, reports: &[Report], paint: Paint) -> Result<bool> {
    let kills = incident::kills(&mut session);
    let log = session.log_tail();
    let dead: Vec<String> = session
        .pods()
        .iter_mut()
        .filter_map(|pod| (!pod.is_running()).then(|| pod.spec().full_name()))
        .collect();
    let ended = session.stop()?;
    let caught = reports.iter().filter(|report| report.is_success()).count();
    let is_success =
        caught == reports.len() && kills == caught && dead.is_empty() && ended.status.success();
    if !args.json {
        println!("{}", table(reports, paint));
        println!("{}", histograms(reports, paint)?);
        let drops: u64 = ended.stopped.drops.values().sum();
        println!("evictd: {}, {kills} evictions, {drops} drops in the kernel", ended.status);
        let verdict = format!("{caught} of {} offenders caught, nobody else harmed", reports.len());
        if is_success {
            println!("{}", paint.good(&verdict));
        }
    }
    if !is_success {
        eprintln!(
            "{}: {caught} of {} incidents went well, {kills} evictions, pods found dead: {dead:?}, \
             evictd: {}; its log ends:\n{log}",
            paint.bad("failed"),
            reports.len(),
            ended.status
        );
    }
    Ok(is_success)
}
