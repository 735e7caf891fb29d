//! `evictd-bench writers`: a container begins to write its log too fast, among others that do not.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use evictd_tests::{
    clock::{mono_ns, ms_between},
    evictd,
    histogram::{Latency, Summary},
    inbox::{Event, Inbox, WaitError},
    record::{LogWriter, Record},
    session::Session,
};
use serde::Serialize;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often a writer runs away
    #[arg(long, default_value_t = 40)]
    trials: u32,
    /// The evictd to measure [default: $EVICTD_BIN, else the one beside this program]
    #[arg(long, value_name = "PATH")]
    evictd: Option<PathBuf>,
    /// Also write the figures as JSON to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The pods that run away in turn.
const RUNAWAYS: [&str; 2] = ["shop/checkout", "data/cache"];

/// MiB of lines a second; the runtime adds a sixth. The slowest is 6.1 MB/s in the log.
const RATES: [u32; 6] = [5, 6, 8, 12, 24, 48];

/// The others, and the bytes of lines a second; the runtime adds a third. The last one starts with a
/// burst and is silent then.
const INNOCENTS: [(&str, &str); 5] = [
    ("kube-system/node-agent", "steady-writer --log-rate 80000"),
    ("payments/ledger", "steady-writer --log-rate 400000"),
    ("batch/nightly", "steady-writer --log-rate 800000"),
    ("shop/frontend", "steady-writer --log-rate 1500000"),
    ("batch/report", "log-writer --rate 0 --max-mib 2"),
];

/// A writer that is not named within this long is missed.
const PATIENCE: Duration = Duration::from_secs(5);
/// For this long after it was named nobody else may be.
const QUIET: Duration = Duration::from_millis(500);
/// The target, milliseconds.
const IN_TIME_MS: f64 = 1000.0;

/// Everything measured, as written to the JSON file.
#[derive(Debug, Serialize)]
struct Figures {
    evictd: String,
    kernel: String,
    rung: Option<String>,
    trials: u32,
    /// Named with pod, container and file.
    named: u32,
    /// Of these within a second.
    named_in_time: u32,
    /// Records about anybody or anything else.
    falsely_named: u32,
    precision: f64,
    recall: f64,
    /// From just before the writer's process is started.
    start_to_named_ms: Option<Summary>,
    /// By MiB of lines a second.
    by_rate: BTreeMap<u32, Option<Summary>>,
    wakes: BTreeMap<String, u64>,
}

/// One trial.
struct Trial {
    rate: u32,
    named_ms: Option<f64>,
    falsely_named: u32,
}

/// Measures; true if every writer was named in time and nobody else was.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        bail!("needs root: it mounts a filesystem, makes cgroups and loads BPF programs");
    }
    let inbox = Inbox::default();
    inbox.catch_signals()?;
    let binary = options.evictd.clone().map_or_else(evictd::binary, Ok)?;
    let mut session = Session::start(inbox, &evictd::Options::new(&binary, "observe"))?;
    let mut trials = Vec::new();
    for number in 0..options.trials as usize {
        let trial = trial(&mut session, number)?;
        if trial.named_ms.is_none() || trial.falsely_named > 0 {
            let missed = if trial.named_ms.is_none() { "missed" } else { "named" };
            eprintln!("{}: {missed}, {} falsely named", number + 1, trial.falsely_named);
        }
        trials.push(trial);
    }
    let started = session.started().clone();
    let ended = session.stop()?;
    let all: Vec<&Trial> = trials.iter().collect();
    let count = |is: &dyn Fn(&Trial) -> bool| u32::try_from(all.iter().filter(|t| is(t)).count());
    let named = count(&|trial| trial.named_ms.is_some())?;
    let falsely_named: u32 = trials.iter().map(|trial| trial.falsely_named).sum();
    let of_rate = |rate| trials.iter().filter(move |trial| trial.rate == rate);
    let by_rate = RATES.into_iter().map(|rate| Ok((rate, summary(of_rate(rate))?)));
    let figures = Figures {
        evictd: started.version,
        kernel: started.kernel,
        rung: started.rungs.get("writes").and_then(|rung| rung.rung.clone()),
        trials: options.trials,
        named,
        named_in_time: count(&|trial| trial.named_ms.is_some_and(|ms| ms <= IN_TIME_MS))?,
        falsely_named,
        precision: f64::from(named) / f64::from((named + falsely_named).max(1)),
        recall: f64::from(named) / f64::from(options.trials.max(1)),
        start_to_named_ms: summary(trials.iter())?,
        by_rate: by_rate.collect::<Result<_>>()?,
        wakes: ended.stopped.wakes,
    };
    print!("{}", figures.table());
    if let Some(path) = &options.output {
        let json = serde_json::to_string_pretty(&figures)?;
        fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    let all_well = figures.named_in_time == options.trials && falsely_named == 0;
    Ok(all_well && ended.status.success())
}

/// Starts the innocent and then the runaway, waits for its name, and makes all of them again.
fn trial(session: &mut Session, number: usize) -> Result<Trial> {
    let (runaway, rate) = (RUNAWAYS[number % RUNAWAYS.len()], RATES[number % RATES.len()]);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let from = session.inbox().mark();
    for (pod, work) in INNOCENTS {
        session.start_worker(pod, &words(work))?;
    }
    // At any place in evictd's second, and with the innocent at work.
    thread::sleep(Duration::from_millis(300 + number as u64 * 37 % 1000));
    let position = session.position(runaway)?;
    let log = session.pods()[position].log_dir().join("worker/0.log");
    let uid = session.pods()[position].uid().to_owned();
    let is_true = |w: &LogWriter| {
        w.uid == uid && w.container == "worker" && w.file.as_ref() == Some(&log) && w.writers == 1
    };
    let began = mono_ns();
    session.start_worker(runaway, &words(&format!("log-writer --rate {rate} --max-mib 80")))?;
    let named = session.inbox().wait_record(from, PATIENCE, "a name", |record| {
        let Record::LogWriter(writer) = record else { return None };
        is_true(writer).then_some(writer.mono_ns)
    });
    let named_ms = match named {
        Ok(at) => Some(ms_between(began, at)),
        Err(WaitError::TimedOut(..)) => None,
        Err(e) => return Err(e.into()),
    };
    thread::sleep(QUIET);
    let is_false = |event: &&Event| {
        let Event::Record(record) = event else { return false };
        matches!(&**record, Record::LogWriter(writer) if !is_true(writer))
    };
    let falsely_named = session.inbox().since(from).iter().filter(is_false).count();
    for pod in INNOCENTS.map(|(pod, _)| pod).into_iter().chain([runaway]) {
        session.replace(session.position(pod)?)?;
    }
    Ok(Trial { rate, named_ms, falsely_named: u32::try_from(falsely_named)? })
}

fn summary<'t>(trials: impl Iterator<Item = &'t Trial>) -> Result<Option<Summary>> {
    let mut latency = Latency::new()?;
    for ms in trials.filter_map(|trial| trial.named_ms) {
        latency.add_ms(ms);
    }
    Ok(latency.summary())
}

impl Figures {
    /// The same as a table.
    fn table(&self) -> String {
        let mut text = format!(
            "evictd {} on Linux {}, writes by {}: {} runaway log writers among {} others\n\n\
             {:<22} {:>8} {:>8} {:>8} {:>8} {:>6}\n",
            self.evictd,
            self.kernel,
            self.rung.as_deref().unwrap_or("nothing"),
            self.trials,
            INNOCENTS.len(),
            "start → named, ms",
            "p50",
            "p90",
            "p99",
            "max",
            "count"
        );
        let by_rate = self.by_rate.iter().map(|(rate, s)| (format!("{rate} MiB/s of lines"), s));
        for (name, summary) in by_rate.chain([("all".to_owned(), &self.start_to_named_ms)]) {
            let Some(s) = summary else { continue };
            let _ = writeln!(
                text,
                "{name:<22} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>6}",
                s.p50, s.p90, s.p99, s.max, s.count
            );
        }
        let _ = writeln!(
            text,
            "\nnamed {} of {}, {} within a second, {} falsely: precision {:.3}, recall {:.3}",
            self.named,
            self.trials,
            self.named_in_time,
            self.falsely_named,
            self.precision,
            self.recall
        );
        text
    }
}
