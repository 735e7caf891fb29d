//! The incidents: a real workload goes wrong, and what evictd makes of it is held against the truth.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    clock::ms_between,
    evictd::{DISK_THRESHOLD_MIB, MEMORY_THRESHOLD_MIB, TASKS_THRESHOLD},
    inbox::{Event, WaitError},
    node::{PODS_MEMORY_BYTES, PODS_TASKS},
    record::{Eviction, Record},
    roster,
    runtime::{Reply, wait_reply},
    session::Session,
    truth::{Gauge, Watch},
};

/// How long an incident may take to be decided, and then to be over.
const PATIENCE: Duration = Duration::from_secs(30);
/// The observer's stamp may come this much later than evictd's record.
const STAMP_PATIENCE: Duration = Duration::from_millis(200);
/// For this long after an incident nobody else may be evicted.
const QUIET: Duration = Duration::from_millis(300);

/// A kind of incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A pod's log fills the disk, through the runtime; rotated once while it grows.
    LogWriter,
    /// A pod takes memory.
    MemoryHog,
    /// A pod's processes multiply.
    ForkBomb,
}

impl Kind {
    /// Every kind, in the order of the demo.
    pub const ALL: [Self; 3] = [Self::LogWriter, Self::MemoryHog, Self::ForkBomb];

    /// As in `--incident` and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogWriter => "log-writer",
            Self::MemoryHog => "memory-hog",
            Self::ForkBomb => "fork-bomb",
        }
    }

    /// The pod that goes wrong.
    pub const fn offender(self) -> &'static str {
        match self {
            Self::LogWriter => roster::LOG_WRITER,
            Self::MemoryHog => roster::MEMORY_HOG,
            Self::ForkBomb => roster::FORK_BOMBER,
        }
    }

    /// The signal that crosses, and its threshold in the signal's unit.
    pub const fn signal(self) -> (&'static str, u64) {
        match self {
            Self::LogWriter => ("nodefs.available", DISK_THRESHOLD_MIB << 20),
            Self::MemoryHog => ("allocatableMemory.available", MEMORY_THRESHOLD_MIB << 20),
            Self::ForkBomb => ("pid.available", TASKS_THRESHOLD),
        }
    }

    /// The arguments of `evictd-workload`. Bounded: the disk, the memory limit and the task limit
    /// are reached before these are, if nobody steps in.
    pub fn workload(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::LogWriter => &["log-writer", "--rate", "0", "--max-mib", "1024"],
            Self::MemoryHog => &["memory-hog", "--mib-per-s", "500", "--max-mib", "512"],
            Self::ForkBomb => &["fork-bomb", "--max", "2000"],
        };
        words.iter().chain(&["--lifetime", "30"]).map(|&word| word.to_owned()).collect()
    }

    /// The observer's view of the signal.
    pub fn gauge(self, session: &Session) -> Result<Gauge> {
        let node = session.node();
        match self {
            Self::LogWriter => Gauge::disk(node.nodefs_root()),
            Self::MemoryHog => Gauge::memory(node.kubepods(), PODS_MEMORY_BYTES),
            Self::ForkBomb => Gauge::tasks(node.kubepods(), PODS_TASKS),
        }
    }
}

/// What came of one incident. Times are milliseconds; `None` was not reached.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which.
    pub incident: Kind,
    /// Counted from 1.
    pub trial: u32,
    /// The pod that went wrong.
    pub offender: String,
    /// The pod that was evicted.
    pub victim: Option<String>,
    /// Threshold crossed (by the observer, up to its polling interval late) to victim chosen.
    pub crossed_to_decision_ms: Option<f64>,
    /// Victim chosen to kill issued.
    pub decision_to_kill_ms: Option<f64>,
    /// How far past its threshold the signal got: bytes, or tasks for `fork-bomb`.
    pub bytes_past_threshold: u64,
    /// Threshold crossed to the sample evictd decided on.
    pub crossed_to_seen_ms: Option<f64>,
    /// Kernel record that woke evictd to victim chosen.
    pub event_to_decision_ms: Option<f64>,
    /// Threshold crossed to the freed resource seen.
    pub released_ms: Option<f64>,
    /// What made evictd look.
    pub woken_by: Option<String>,
    /// Processes the kernel's OOM killer took.
    pub oom_kills: u64,
    /// Why it counts as failed.
    pub failure: Option<String>,
}

impl Report {
    /// Exactly the offender was evicted.
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }
}

/// A stage of an incident as it is reached.
#[derive(Debug)]
pub struct Stage {
    /// Name.
    pub name: &'static str,
    /// Milliseconds since the threshold was crossed; `None` before that.
    pub at_ms: Option<f64>,
    /// More.
    pub text: String,
}

/// Lets one incident happen and waits until it is over. An error ends the session (interrupt, evictd
/// gone); an incident that went badly is a report with a `failure`.
pub fn run(
    session: &mut Session,
    kind: Kind,
    trial: u32,
    on_stage: &mut dyn FnMut(&Stage),
) -> Result<Report> {
    let from = session.inbox().mark();
    let mut report = Report {
        incident: kind,
        trial,
        offender: kind.offender().to_owned(),
        victim: None,
        crossed_to_decision_ms: None,
        decision_to_kill_ms: None,
        bytes_past_threshold: 0,
        crossed_to_seen_ms: None,
        event_to_decision_ms: None,
        released_ms: None,
        woken_by: None,
        oom_kills: 0,
        failure: None,
    };
    let (_, threshold) = kind.signal();
    let watch = Watch::start(kind.gauge(session)?, i64::try_from(threshold)?, PATIENCE * 3);
    let worker = session.start_worker(kind.offender(), &kind.workload())?;
    let went = follow(session, kind, &worker, from, &watch, &mut report, on_stage);
    report.bytes_past_threshold = watch.worst_past();
    drop(watch);
    match went.map_err(|e| e.downcast::<WaitError>()) {
        Ok(()) => {}
        Err(Ok(WaitError::TimedOut(patience, what))) => {
            report.failure = Some(format!("waited {patience:?} for {what}"));
        }
        Err(Ok(fatal)) => return Err(fatal.into()),
        Err(Err(other)) => return Err(other),
    }
    report.oom_kills = session.node().kubepods().oom_kills();
    if report.oom_kills > 0 {
        report.failure = Some(format!("the kernel's OOM killer took {} tasks", report.oom_kills));
    }
    restore(session, kind)?;
    Ok(report)
}

/// From the first write to the release.
fn follow(
    session: &mut Session,
    kind: Kind,
    worker: &str,
    from: usize,
    watch: &Watch,
    report: &mut Report,
    on_stage: &mut dyn FnMut(&Stage),
) -> Result<()> {
    if kind == Kind::LogWriter {
        wait_reply(&mut session.inbox, from, "the log to grow", worker, |reply| {
            matches!(reply, Reply::Written { .. }).then_some(())
        })?;
        let to = session.runtime.rotate(&mut session.inbox, worker)?;
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        on_stage(&Stage { name: "rotated", at_ms: None, text: format!("0.log is now {name}") });
    }
    let eviction = wait_eviction(session, from, &[])?;
    let crossed = wait_crossed(session, watch)?;
    describe(session, kind, &eviction, crossed, report, on_stage)?;

    let id = eviction.id;
    session.inbox.wait_record(from, PATIENCE, "the victim's cgroup to empty", |record| {
        matches!(record, Record::Emptied(emptied) if emptied.id == id).then_some(())
    })?;
    if let Some(victim) = session.pods.iter().find(|pod| pod.uid() == eviction.uid) {
        // The kubelet's part: a dead pod's directories go, once its logs are closed.
        victim.wait_logs_closed(&mut session.inbox, from)?;
        victim.remove_directories()?;
    }
    let released =
        session.inbox.wait_record(from, PATIENCE, "the release to be seen", |record| match record {
            Record::Released(released) if released.id == id => Some(released.clone()),
            _ => None,
        })?;
    let at_ms = ms_between(crossed, released.mono_ns);
    report.released_ms = Some(round(at_ms));
    let (signal, _) = kind.signal();
    let text = format!("{signal} is {} again", quantity(kind, released.available));
    on_stage(&Stage { name: "released", at_ms: Some(at_ms), text });
    if !released.seen {
        report.failure = Some("the release was not seen before its deadline".to_owned());
    }
    match wait_eviction_for(session, from, &[id], QUIET) {
        Err(WaitError::TimedOut(..)) => Ok(()),
        Err(e) => Err(e.into()),
        Ok(second) => {
            let who = format!("{}/{}", second.namespace, second.pod);
            report.failure = Some(format!("{who} was evicted as well"));
            Ok(())
        }
    }
}

/// Fills in the report up to the kill.
fn describe(
    session: &Session,
    kind: Kind,
    eviction: &Eviction,
    crossed: u64,
    report: &mut Report,
    on_stage: &mut dyn FnMut(&Stage),
) -> Result<()> {
    let (signal, threshold) = kind.signal();
    let limit = quantity(kind, i64::try_from(threshold)?);
    let mut stage = |name, at: u64, text| {
        let at_ms = ms_between(crossed, at);
        on_stage(&Stage { name, at_ms: Some(at_ms), text });
        round(at_ms)
    };
    stage("threshold crossed", crossed, format!("{signal} below {limit}"));
    let left = quantity(kind, eviction.available);
    let seen = format!("{left} left; woken by {}", eviction.woken_by);
    report.crossed_to_seen_ms = Some(stage("seen", eviction.observed_ns, seen));

    let victim = format!("{}/{}", eviction.namespace, eviction.pod);
    let offender = &session.pods[session.position(kind.offender())?];
    let is_true = eviction.uid == offender.uid();
    let verdict = if is_true { "the true offender" } else { "NOT the offender" };
    let decided = format!("evict {victim}: {verdict}");
    report.crossed_to_decision_ms = Some(stage("decided", eviction.decided_ns, decided));
    report.event_to_decision_ms =
        eviction.event_ns.map(|event| round(ms_between(event, eviction.decided_ns)));
    if !is_true {
        report.failure = Some(format!("{victim} was evicted, not {}", report.offender));
    }
    if eviction.signal != signal {
        report.failure = Some(format!("evicted for {}, not for {signal}", eviction.signal));
    }
    let issued = eviction.kill_issued_ns.context("a killed victim without kill_issued_ns")?;
    stage("killed", issued, eviction.message.trim().to_owned());
    report.decision_to_kill_ms = Some(round(ms_between(eviction.decided_ns, issued)));
    report.victim = Some(victim);
    report.woken_by = Some(eviction.woken_by.clone());
    Ok(())
}

fn wait_eviction(session: &mut Session, from: usize, not: &[u64]) -> Result<Eviction, WaitError> {
    wait_eviction_for(session, from, not, PATIENCE)
}

/// The first eviction from `from` on that killed, besides those given.
fn wait_eviction_for(
    session: &mut Session,
    from: usize,
    not: &[u64],
    patience: Duration,
) -> Result<Eviction, WaitError> {
    session.inbox.wait_record(from, patience, "an eviction", |record| match record {
        Record::Eviction(e) if e.outcome == "killed" && !not.contains(&e.id) => Some(e.clone()),
        _ => None,
    })
}

fn wait_crossed(session: &mut Session, watch: &Watch) -> Result<u64> {
    let deadline = std::time::Instant::now() + STAMP_PATIENCE;
    loop {
        if let Some(ns) = watch.crossed_ns() {
            return Ok(ns);
        }
        if std::time::Instant::now() > deadline {
            let log = session.log_tail();
            anyhow::bail!("evictd evicted, but the threshold was never crossed:\n{log}");
        }
        std::thread::sleep(crate::truth::POLL);
    }
}

/// Makes the offender, and every pod that is dead, again.
fn restore(session: &mut Session, kind: Kind) -> Result<()> {
    let offender = session.position(kind.offender())?;
    for position in 0..session.pods.len() {
        if position == offender || !session.pods[position].is_running() {
            session.replace(position)?;
        }
    }
    Ok(())
}

/// Evictions so far that killed.
pub fn kills(session: &mut Session) -> usize {
    let killed = |event: &&Event| matches!(event, Event::Record(r) if matches!(&**r, Record::Eviction(e) if e.outcome == "killed"));
    session.inbox.since(0).iter().filter(killed).count()
}

fn round(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// A figure of the signal, for people.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn quantity(kind: Kind, figure: i64) -> String {
    match kind {
        Kind::LogWriter | Kind::MemoryHog => format!("{:.1} MiB", figure as f64 / f64::from(1 << 20)),
        Kind::ForkBomb => format!("{figure} tasks"),
    }
}
