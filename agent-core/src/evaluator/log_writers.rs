//! Telling of runaway log writers, and evicting them before a threshold is met.

mod table;
mod writer;

use std::{cmp::Reverse, time::Duration};

pub(super) use table::LogWriters;

use super::{Evaluator, choice::Crossing, victim::Victim};
use crate::{
    Bar, Command, EvictionReason, LogWriterAction, LogWriterReport, MonoTime, NodeSignals,
    Observation, Resource, Signal,
    figure::{Figure, usage_of},
    forecast::time_to_use,
};
use writer::Writer;

/// A pod that may be evicted in a moment is looked at again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// A rate older than this is no reason to evict: the writer may have stopped.
const FRESH: Duration = Duration::from_secs(1);

/// The signals that logs can use up.
const DISKS: [Signal; 4] = [
    Signal::NodefsAvailable,
    Signal::LogfsAvailable,
    Signal::ImagefsAvailable,
    Signal::ContainerfsAvailable,
];

/// The disk that holds the logs.
#[derive(Clone, Copy)]
struct LogDisk {
    /// The signal that is nearest to a threshold.
    signal: Signal,
    /// Bytes to that threshold; 0 where every one is met.
    headroom: u64,
}

impl Evaluator {
    /// Takes in what was written into logs, if that was read, and tells of the writers that are runaway
    /// since.
    pub(super) fn judge_log_writers(
        &mut self,
        o: &Observation,
        signals: &NodeSignals,
        now: MonoTime,
    ) {
        let policy = self.policy.log_writers;
        if o.log_writes.is_empty() || policy.action == LogWriterAction::Off {
            return;
        }
        self.log_writers.read(&o.log_writes, policy.minimum_rate, now);
        let Some(disk) = self.log_disk(signals) else {
            return;
        };
        let within = |rate| time_to_use(disk.headroom, rate).filter(|time| *time <= policy.horizon);
        let report = |writer: &Writer, rate, crosses_in, writers, action| {
            let (pod, container) = (writer.pod.clone(), writer.container.clone());
            let signal = disk.signal;
            Command::ReportLogWriter(LogWriterReport {
                pod,
                container,
                rate,
                crosses_in,
                signal,
                writers,
                action,
            })
        };
        let action = self.policy.log_writer_action();
        let mut together = Together::default();
        for (at, writer) in self.log_writers.iter_mut().enumerate() {
            let Some(rate) = writer.sustained_rate(policy.minimum_rate) else {
                continue;
            };
            together.add(at, rate, writer.incident.is_some());
            if let Some(crosses_in) = within(rate)
                && writer.is_news(rate)
            {
                writer.tell(rate, now);
                self.commands.push_back(report(writer, rate, crosses_in, 1, action));
            }
        }
        if let Some((at, rate)) = together.largest.filter(|(_, rate)| within(*rate).is_none())
            && let Some(crosses_in) = within(together.rate)
            && let Some(writer) = self.log_writers.get_mut(at)
            && writer.is_news(rate)
            && (!together.told || writer.incident.is_some())
        {
            writer.tell(rate, now);
            let (writers, action) = (together.writers, LogWriterAction::Report);
            self.commands.push_back(report(writer, rate, crosses_in, writers, action));
        }
    }

    /// The signal whose per-pod figures are needed to evict a runaway writer.
    pub(super) fn log_writer_wants(
        &self,
        signals: &NodeSignals,
        raw: &NodeSignals,
        now: MonoTime,
    ) -> Option<Signal> {
        let crossing = self.ahead_of_log_writers(signals, raw, now)?;
        self.runaway(signals, now).map(|_| crossing.threshold.signal)
    }

    /// Evicts the pod of the fastest writer that is runaway by itself, for the threshold it would meet
    /// first: its grace is that of the threshold.
    pub(super) fn evict_log_writer(
        &mut self,
        o: &Observation,
        signals: &NodeSignals,
        now: MonoTime,
    ) {
        let reads_disk = |signal| Figure::of(signal) == Figure::of(Signal::NodefsAvailable);
        if !o.usage_for.is_some_and(reads_disk) {
            return;
        }
        let Some(Crossing { threshold, seen }) =
            self.ahead_of_log_writers(signals, &o.signals, now)
        else {
            return;
        };
        let Some((at, rate, crosses_in)) = self.runaway(signals, now) else {
            return;
        };
        let Some((id, container)) =
            self.log_writers.get_mut(at).map(|w| (w.pod.clone(), w.container.clone()))
        else {
            return;
        };
        let pod = o.pods.iter().find(|pod| pod.facts.id == id);
        let hard = threshold.is_hard();
        let Some(pod) = pod.filter(|pod| self.bar(pod, hard, false, now).is_none()) else {
            let may_never = pod.is_some_and(|pod| Bar::of(&pod.facts).is_some());
            if let Some(incident) = self.log_writers.get_mut(at).and_then(|w| w.incident.as_mut()) {
                incident.look_at = (!may_never).then(|| now.after(RETRY));
            }
            return;
        };
        let usage = usage_of(threshold.signal, &pod.usage, self.policy.layout);
        let victim = Victim {
            pod: &id,
            grace: self.grace_for(&threshold, &pod.facts),
            override_seconds: self.override_for(&threshold, &pod.facts),
            expected_release: usage.unwrap_or(0),
        };
        let reason = EvictionReason::LogWriter { container, rate, crosses_in };
        let eviction = self.evict(&victim, threshold, seen, reason, now);
        if let Some(incident) = self.log_writers.get_mut(at).and_then(|w| w.incident.as_mut()) {
            incident.eviction = Some(eviction);
        }
    }

    /// The threshold that log writers would meet first, if they may be evicted for it now.
    fn ahead_of_log_writers(
        &self,
        signals: &NodeSignals,
        raw: &NodeSignals,
        now: MonoTime,
    ) -> Option<Crossing> {
        if self.policy.log_writer_action() != LogWriterAction::Evict {
            return None;
        }
        let disk = self.log_disk(signals)?;
        let seen = signals.get(disk.signal)?;
        let threshold = *self.policy.nearest_ahead(signals, disk.signal)?.0;
        let open = self.sampled.is_newer(disk.signal, seen)
            && self.is_open(Resource::EphemeralStorage, raw, now);
        open.then_some(Crossing { threshold, seen })
    }

    /// The fastest writer whose pod is to be evicted: its place in the table, its rate, and how long
    /// the disk lasts.
    fn runaway(&self, signals: &NodeSignals, now: MonoTime) -> Option<(usize, u64, Duration)> {
        let policy = self.policy.log_writers;
        let disk = self.log_disk(signals)?;
        let due = |(at, writer): (usize, &Writer)| {
            let incident = writer.incident.filter(|incident| incident.eviction.is_none())?;
            incident.look_at.filter(|at| *at <= now)?;
            let rate = writer.sustained_rate(policy.minimum_rate)?;
            let crosses_in = time_to_use(disk.headroom, rate)?;
            let is_due = now.since(writer.read_at()) <= FRESH && crosses_in <= policy.horizon;
            is_due.then_some((at, rate, crosses_in))
        };
        let writers = self.log_writers.iter().enumerate();
        writers.filter_map(due).max_by_key(|(at, rate, _)| (*rate, Reverse(*at)))
    }

    /// Logs lie on nodefs, and count for every signal of that disk, or on a filesystem of their own
    /// (E-46).
    fn log_disk(&self, signals: &NodeSignals) -> Option<LogDisk> {
        let apart = signals.get(Signal::LogfsAvailable).is_some();
        let home = if apart { Signal::LogfsAvailable } else { Signal::NodefsAvailable };
        let on_it = |signal: &Signal| self.policy.layout.shares(*signal, home);
        let disk = |signal| {
            let headroom = self.policy.headroom(signals, signal)?;
            Some(LogDisk { signal, headroom })
        };
        DISKS.into_iter().filter(on_it).filter_map(disk).min_by_key(|disk| disk.headroom)
    }
}

/// All writers that are not below the minimum.
#[derive(Default)]
struct Together {
    writers: usize,
    rate: u64,
    largest: Option<(usize, u64)>,
    /// One of them was told of already.
    told: bool,
}

impl Together {
    fn add(&mut self, at: usize, rate: u64, told: bool) {
        self.writers += 1;
        self.rate = self.rate.saturating_add(rate);
        self.told |= told;
        if self.largest.is_none_or(|(_, most)| rate > most) {
            self.largest = Some((at, rate));
        }
    }
}
