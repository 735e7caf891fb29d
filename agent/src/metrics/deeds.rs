//! Counts of what evictd did: each record is counted once, when it is reported.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

use super::{Labels, wakes::Wakes};
use crate::{
    cluster::outbox::Depth,
    run::record::{ConfigOutcome, Eviction, Record, WokenBy},
};

/// Upper bounds in seconds, around the 20 ms within which an eviction is to be on its way.
const SECONDS: [f64; 12] =
    [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 10.0];

/// The counters.
#[derive(Debug)]
pub struct Deeds {
    registry: Registry,
    wakes: Wakes,
    evictions: Family<Labels, Counter>,
    decision: Histogram,
    kill: Histogram,
    unable: Family<Labels, Counter>,
    log_writers: Counter,
    oom_victims: Counter,
    memory_events: Family<Labels, Counter>,
    configurations: Family<Labels, Counter>,
    dropped: Gauge,
    answers: Family<Labels, Counter>,
    told: Family<Labels, Counter>,
    killed_again: Counter,
    reclaims: Family<Labels, Counter>,
    outbox_entries: Gauge,
    outbox_age: Gauge<f64, AtomicU64>,
}

impl Deeds {
    /// Nothing done yet.
    pub fn new(kernel: &str) -> Self {
        let mut registry = Registry::with_prefix("evictd");
        let to = &mut registry;
        let build =
            [("version", env!("CARGO_PKG_VERSION").to_owned()), ("kernel", kernel.to_owned())];
        to.register("build", "The running evictd", Info::new(build.to_vec()));
        let wakes = Wakes::register(to);
        let text = "Pods chosen: by signal, path (hard, soft, limit, log-writer), mode and outcome";
        let evictions = registered(to, "evictions", text);
        let text = "From the kernel's record, else from the sample, to the decision, in seconds";
        let decision = durations(to, "decision_seconds", text);
        let text = "From the decision to the kill's having been issued, in seconds";
        let kill = durations(to, "kill_seconds", text);
        let text = "Times a threshold was met and no pod could be evicted for it";
        let unable = registered(to, "unable_to_evict", text);
        let text = "Containers named because they wrote their log too fast";
        let log_writers = registered(to, "log_writers", text);
        let oom_victims =
            registered(to, "oom_victims", "Processes that the kernel's OOM killer took");
        let text = "What memory limits did to pods: high, max, oom, oom_kill";
        let memory_events = registered(to, "memory_events", text);
        let text = "Configurations read while running: applied or refused";
        let configurations = registered(to, "configurations", text);
        let text = "Records that found no room on their way to stdout";
        let dropped = registered(to, "records_dropped", text);
        let answers =
            registered(to, "eviction_answers", "Answers of the API server to soft evictions");
        let text = "What became of telling the API server: by matter (status, event) and outcome";
        let told = registered(to, "told", text);
        let text = "Evicted pods that came back before the API server knew, and were killed again";
        let killed_again = registered(to, "killed_again", text);
        let text = "Times the node was to free what nobody needs, by signal and mode";
        let reclaims = registered(to, "node_reclaims", text);
        let text = "What the API server is still to be told";
        let outbox_entries = registered(to, "outbox_entries", text);
        let text = "Age of the oldest of it; 0 if there is none";
        let outbox_age = registered(to, "outbox_oldest_seconds", text);
        Self {
            registry,
            wakes,
            evictions,
            decision,
            kill,
            unable,
            log_writers,
            oom_victims,
            memory_events,
            configurations,
            dropped,
            answers,
            told,
            killed_again,
            reclaims,
            outbox_entries,
            outbox_age,
        }
    }

    /// How much the API server is still to be told.
    pub fn set_outbox(&self, depth: Depth) {
        self.outbox_entries.set(i64::try_from(depth.entries).unwrap_or(i64::MAX));
        self.outbox_age.set(depth.oldest.unwrap_or_default().as_secs_f64());
    }

    pub(super) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts what that record tells. For the control loop: after the kill.
    pub fn count(&self, record: &Record) {
        match record {
            Record::Eviction(eviction) => self.count_eviction(eviction),
            Record::UnableToEvict { signal } => {
                let labels = vec![("signal", signal.name().to_owned())];
                self.unable.get_or_create(&labels).inc();
            }
            Record::LogWriter(_) => {
                self.log_writers.inc();
            }
            Record::OomVictim(_) => {
                self.oom_victims.inc();
            }
            Record::MemoryEvent(event) => {
                let labels = vec![("kind", event.kind.name().to_owned())];
                self.memory_events.get_or_create(&labels).inc_by(event.count);
            }
            Record::Config { outcome, .. } => {
                let outcome = match outcome {
                    ConfigOutcome::Applied => "applied",
                    ConfigOutcome::Refused => "refused",
                };
                let labels = vec![("outcome", outcome.to_owned())];
                self.configurations.get_or_create(&labels).inc();
            }
            Record::EvictionAnswer { outcome, .. } => {
                let labels = vec![("outcome", (*outcome).to_owned())];
                self.answers.get_or_create(&labels).inc();
            }
            Record::Told(told) => {
                let outcome = told.outcome.name().to_owned();
                let labels = vec![("matter", told.matter.name().to_owned()), ("outcome", outcome)];
                self.told.get_or_create(&labels).inc();
            }
            Record::KilledAgain(_) => {
                self.killed_again.inc();
            }
            Record::NodeReclaim(reclaim) => {
                let labels =
                    vec![("signal", reclaim.signal.to_owned()), ("mode", reclaim.mode.to_owned())];
                self.reclaims.get_or_create(&labels).inc();
            }
            Record::Started(_)
            | Record::Pods(_)
            | Record::Runtime { .. }
            | Record::RuntimeFilesystems { .. }
            | Record::Emptied { .. }
            | Record::GraceOver { .. }
            | Record::Released { .. }
            | Record::Condition { .. }
            | Record::DiskFiller(_)
            | Record::ProbeDegraded { .. }
            | Record::Stopped(_) => {}
        }
    }

    /// Counts one look at the signals.
    pub fn count_wake(&self, by: WokenBy) {
        self.wakes.count(by);
    }

    /// How many records were dropped so far.
    pub fn set_dropped(&self, dropped: u64) {
        self.dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
    }

    fn count_eviction(&self, eviction: &Eviction) {
        let labels = vec![
            ("signal", eviction.signal.to_owned()),
            ("path", path(eviction).to_owned()),
            ("mode", eviction.mode.to_owned()),
            ("outcome", eviction.outcome.to_owned()),
        ];
        self.evictions.get_or_create(&labels).inc();
        let seen = eviction.event_ns.unwrap_or(eviction.observed_ns);
        self.decision.observe(seconds(seen, eviction.decided_ns));
        if let Some(issued) = eviction.kill_issued_ns {
            self.kill.observe(seconds(eviction.decided_ns, issued));
        }
    }
}

/// A metric that is told under that name.
fn registered<M: Metric + Clone + Default>(to: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    to.register(name, help, metric.clone());
    metric
}

fn durations(to: &mut Registry, name: &str, help: &str) -> Histogram {
    let histogram = Histogram::new(SECONDS);
    to.register(name, help, histogram.clone());
    histogram
}

fn path(eviction: &Eviction) -> &'static str {
    match (eviction.reason, eviction.hard) {
        ("threshold", true) => "hard",
        ("threshold", false) => "soft",
        (reason, _) => reason,
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations, not dates")]
fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e9
}
