//! Builds the targets and runs them side by side.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::libfuzzer::{self, Stats};
use crate::process;
use crate::progress::step;
use crate::setup;
use crate::workspace::Workspace;

/// An input that takes longer is a failure.
const INPUT_SECONDS: u32 = 10;
/// So is one that takes more memory.
const MEMORY_MIB: u32 = 2048;

/// What the run of one target came to.
pub(super) struct Outcome {
    pub(super) target: String,
    pub(super) stats: Stats,
    /// Inputs that were added to the committed corpus.
    pub(super) kept: usize,
    /// What went wrong and how to see it again.
    pub(super) failure: Option<String>,
}

/// Where a target has its things.
struct Places {
    program: PathBuf,
    committed: PathBuf,
    /// Inputs found on this machine.
    found: PathBuf,
    /// Inputs that made the target fail.
    failing: PathBuf,
    log: PathBuf,
}

impl Places {
    fn of(workspace: &Workspace, target: &str) -> Result<Self> {
        let scratch = workspace.scratch().join("fuzz").join(target);
        let places = Self {
            program: workspace.target.join(triple()).join("release").join(target),
            committed: workspace.root.join("fuzz/corpus").join(target),
            found: scratch.join("found"),
            failing: scratch.join("failing"),
            log: scratch.join("log"),
        };
        for folder in [&places.committed, &places.found, &places.failing] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        Ok(places)
    }
}

/// Runs the targets for `seconds` each, as many at a time as there are processors.
pub(super) fn run(
    workspace: &Workspace,
    targets: &[String],
    seconds: u32,
    keep: bool,
) -> Result<Vec<Outcome>> {
    build(workspace)?;
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().ok()?.next();
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(target) = next() {
            outcomes.push(run_one(workspace, target, seconds, keep)?);
        }
        anyhow::Ok(outcomes)
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut outcomes = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            outcomes.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
        }
        anyhow::Ok(())
    })?;
    outcomes.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(outcomes)
}

/// Optimised a little, with overflow checks. No sanitizer: the parsers are safe Rust, in which the
/// address sanitizer has nothing to find, and without it the compiler of the rest will do.
fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo_fuzz = Command::new(setup::cargo_fuzz().program()?);
    cargo_fuzz.args(["build", "--features", "libfuzzer", "--sanitizer", "none"]);
    cargo_fuzz.args(["--target", &triple(), "--target-dir"]).arg(&workspace.target);
    cargo_fuzz.current_dir(&workspace.root);
    cargo_fuzz.env("EVICTD_WITHOUT_PROBES", "1");
    // Building takes longer than what full optimisation would gain in a minute of trying.
    cargo_fuzz.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    step("building the fuzz targets", || process::run_quietly(&mut cargo_fuzz))
}

fn triple() -> String {
    format!("{ARCH}-unknown-linux-gnu")
}

fn run_one(workspace: &Workspace, target: &str, seconds: u32, keep: bool) -> Result<Outcome> {
    let places = Places::of(workspace, target)?;
    let (log, ended_well) = step(&format!("fuzzing {target}, {seconds} s"), || {
        // Libfuzzer writes to its standard error alone.
        let log = File::create(&places.log).with_context(|| places.log.display().to_string())?;
        let status = Command::new(&places.program)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
            .arg(format!("-artifact_prefix={}/", places.failing.display()))
            .arg("-print_final_stats=1")
            .args([&places.found, &places.committed])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .status()
            .with_context(|| places.program.display().to_string())?;
        let text = fs::read(&places.log).with_context(|| places.log.display().to_string())?;
        Ok((String::from_utf8_lossy(&text).into_owned(), status.success()))
    })?;
    let kept = if keep && ended_well { merge(&places)? } else { 0 };
    let failure = (!ended_well).then(|| describe(&log, target, &places));
    Ok(Outcome { target: target.to_owned(), stats: Stats::of(&log), kept, failure })
}

fn describe(log: &str, target: &str, places: &Places) -> String {
    let Some(input) = libfuzzer::failing_input(log) else {
        return format!("ended without an input to show; see {}", places.log.display());
    };
    format!(
        "{}\n    input   {input}\n    again   {} {input}\n    \
         mended  cp {input} fuzz/corpus/{target}/NAME && cargo test --package evictd-fuzz",
        libfuzzer::complaint(log).unwrap_or("too slow, or too much memory"),
        places.program.display(),
    )
}

/// Adds what reaches new code to the committed corpus; returns how many inputs that were.
fn merge(places: &Places) -> Result<usize> {
    let before = count(&places.committed)?;
    let mut command = Command::new(&places.program);
    command.arg("-merge=1").args([&places.committed, &places.found]);
    process::run_quietly(&mut command)?;
    Ok(count(&places.committed)? - before)
}

fn count(folder: &Path) -> Result<usize> {
    Ok(fs::read_dir(folder).with_context(|| folder.display().to_string())?.count())
}
