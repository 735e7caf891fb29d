//! The incidents: a real workload goes wrong, and what evictd makes of it is held against the truth.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::{
    clock::ms_between,
    inbox::{Event, WaitError},
    kind::Kind,
    record::{Eviction, Record},
    runtime::{Reply, wait_reply},
    session::Session,
    truth::Watch,
};

/// How long an incident may take to be decided, and then to be over.
const PATIENCE: Duration = Duration::from_secs(90);
/// For this long after an incident nobody else may be evicted.
const QUIET: Duration = Duration::from_millis(300);

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
    /// Threshold crossed (as first seen by the observer or evictd) to victim chosen.
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

/// How the stage `decided` ends.
pub const TRUE_OFFENDER: &str = "the true offender";
/// See [`TRUE_OFFENDER`].
pub const WRONG_VICTIM: &str = "NOT the offender";

impl Report {
    fn new(incident: Kind, trial: u32) -> Self {
        Self {
            incident,
            trial,
            offender: incident.offender().to_owned(),
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
        }
    }

    /// The first failure is the one that counts: others follow from it.
    fn fail(&mut self, failure: String) {
        self.failure.get_or_insert(failure);
    }

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
    let threshold = i64::try_from(kind.signal().1)?;
    let watch = Watch::start(kind.gauge(session)?, threshold, PATIENCE * 3);
    let worker = session.start_worker(kind.offender(), &kind.workload())?;
    let report = Report::new(kind, trial);
    let mut scene = Scene { session, kind, from, watch, report, on_stage };
    let went = scene.follow(&worker);
    let Scene { session, watch, mut report, .. } = scene;
    report.bytes_past_threshold = report.bytes_past_threshold.max(watch.worst_past());
    drop(watch);
    match went.map_err(anyhow::Error::downcast) {
        Ok(()) => {}
        Err(Ok(WaitError::TimedOut(patience, what))) => {
            report.fail(format!("waited {patience:?} for {what}"));
        }
        Err(Ok(fatal)) => return Err(fatal.into()),
        Err(Err(other)) => return Err(other),
    }
    report.oom_kills = session.node().kubepods().oom_kills();
    if report.oom_kills > 0 {
        let tasks = report.oom_kills;
        report.fail(format!("the kernel's OOM killer took {tasks} tasks"));
    }
    restore(session, kind)?;
    Ok(report)
}

/// An incident under way.
struct Scene<'a> {
    session: &'a mut Session,
    kind: Kind,
    /// Position in the inbox at which it began.
    from: usize,
    watch: Watch,
    report: Report,
    on_stage: &'a mut dyn FnMut(&Stage),
}

impl Scene<'_> {
    /// From the first write to the release.
    fn follow(&mut self, worker: &str) -> Result<()> {
        if self.kind == Kind::LogWriter {
            self.rotate_once(worker)?;
        }
        let eviction = self.wait_kill(&[], PATIENCE)?;
        let crossed = self.crossed_ns(&eviction)?;
        self.describe(&eviction, crossed)?;

        let id = eviction.id;
        let inbox = &mut self.session.inbox;
        inbox.wait_record(self.from, PATIENCE, "the victim's cgroup to empty", |record| {
            matches!(record, Record::Emptied(emptied) if emptied.id == id).then_some(())
        })?;
        if let Some(victim) = self.session.pods.iter().find(|pod| pod.uid() == eviction.uid) {
            // The kubelet's part: a dead pod's directories go, once its logs are closed.
            victim.wait_logs_closed(inbox, self.from)?;
            victim.remove_directories()?;
        }
        self.wait_release(id, crossed)?;
        match self.wait_kill(&[id], QUIET) {
            Err(WaitError::TimedOut(..)) => {}
            Err(e) => return Err(e.into()),
            Ok(second) => {
                let failure = format!("{}/{} was evicted as well", second.namespace, second.pod);
                self.report.fail(failure);
            }
        }
        Ok(())
    }

    /// Rotates the log when it has grown for a while, as the kubelet would.
    fn rotate_once(&mut self, worker: &str) -> Result<()> {
        let inbox = &mut self.session.inbox;
        wait_reply(inbox, self.from, "the log to grow", worker, |reply| {
            matches!(reply, Reply::Written { .. }).then_some(())
        })?;
        let to = self.session.runtime.rotate(inbox, worker)?;
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let text = format!("0.log is now {name}");
        (self.on_stage)(&Stage { name: "rotated", at_ms: None, text });
        Ok(())
    }

    /// The first eviction of this incident that killed, besides those given.
    fn wait_kill(&mut self, not: &[u64], patience: Duration) -> Result<Eviction, WaitError> {
        let inbox = &mut self.session.inbox;
        inbox.wait_record(self.from, patience, "an eviction", |record| {
            killed(record).filter(|e| !not.contains(&e.id)).cloned()
        })
    }

    /// The earliest that anybody saw the threshold crossed: the observer, or evictd itself, which
    /// may act and be done between two looks of the observer.
    fn crossed_ns(&mut self, eviction: &Eviction) -> Result<u64> {
        let (signal, threshold) = self.kind.signal();
        if eviction.available >= i64::try_from(threshold)? {
            bail!("evictd evicted with {} of {signal} left of {threshold}", eviction.available);
        }
        let observer = self.watch.crossed_ns().unwrap_or(u64::MAX);
        self.report.bytes_past_threshold =
            threshold.saturating_sub(eviction.available.max(0).unsigned_abs());
        Ok(observer.min(eviction.observed_ns))
    }

    /// Fills in the report up to the kill.
    fn describe(&mut self, eviction: &Eviction, crossed: u64) -> Result<()> {
        let (signal, threshold) = self.kind.signal();
        let limit = self.kind.quantity(i64::try_from(threshold)?);
        self.stage("threshold crossed", crossed, crossed, format!("{signal} below {limit}"));
        let left = self.kind.quantity(eviction.available);
        let seen = format!("{left} left; woken by {}", eviction.woken_by);
        let seen_ms = self.stage("seen", crossed, eviction.observed_ns, seen);

        let victim = format!("{}/{}", eviction.namespace, eviction.pod);
        let offender = &self.session.pods[self.session.position(self.kind.offender())?];
        let is_true = eviction.uid == offender.uid();
        let verdict = if is_true { TRUE_OFFENDER } else { WRONG_VICTIM };
        let decided = format!("evict {victim}: {verdict}");
        let decided_ms = self.stage("decided", crossed, eviction.decided_ns, decided);
        let issued = eviction.kill_issued_ns.context("a killed victim without kill_issued_ns")?;
        self.stage("killed", crossed, issued, eviction.message.trim().to_owned());

        let decided_ns = eviction.decided_ns;
        let report = &mut self.report;
        report.crossed_to_seen_ms = Some(seen_ms);
        report.crossed_to_decision_ms = Some(decided_ms);
        report.event_to_decision_ms =
            eviction.event_ns.map(|event| round(ms_between(event, decided_ns)));
        report.decision_to_kill_ms = Some(round(ms_between(decided_ns, issued)));
        report.woken_by = Some(eviction.woken_by.clone());
        if !is_true {
            let (offender, rank) = (&report.offender, &eviction.rank);
            report.fail(format!("{victim} was evicted, not {offender}: {rank:?}"));
        } else if eviction.signal != signal {
            report.fail(format!("evicted for {}, not for {signal}", eviction.signal));
        }
        report.victim = Some(victim);
        Ok(())
    }

    fn wait_release(&mut self, id: u64, crossed: u64) -> Result<()> {
        let inbox = &mut self.session.inbox;
        let released = inbox.wait_record(self.from, PATIENCE, "the release", |record| {
            if let Record::Released(released) = record {
                (released.id == id).then(|| released.clone())
            } else {
                None
            }
        })?;
        let (signal, _) = self.kind.signal();
        let text = format!("{signal} is {} again", self.kind.quantity(released.available));
        self.report.released_ms = Some(self.stage("released", crossed, released.mono_ns, text));
        if !released.seen {
            self.report.fail("the release was not seen before its deadline".to_owned());
        }
        Ok(())
    }

    /// Shows a stage; returns its milliseconds since the threshold was crossed.
    fn stage(&mut self, name: &'static str, crossed: u64, at: u64, text: String) -> f64 {
        let at_ms = round(ms_between(crossed, at));
        (self.on_stage)(&Stage { name, at_ms: Some(at_ms), text });
        at_ms
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
    let is_kill =
        |event: &&Event| matches!(event, Event::Record(record) if killed(record).is_some());
    session.inbox.since(0).iter().filter(is_kill).count()
}

/// The record as an eviction that killed.
fn killed(record: &Record) -> Option<&Eviction> {
    if let Record::Eviction(eviction) = record {
        (eviction.outcome == "killed").then_some(eviction)
    } else {
        None
    }
}

fn round(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}
