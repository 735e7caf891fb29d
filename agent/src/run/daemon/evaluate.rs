//! One look at the node: sampling, deciding, doing.

use evictd_core::{Command, LogWriterAction, MonoTime, Signal};

use super::Daemon;
use crate::{
    clock::now,
    run::{
        evictions::Carried,
        filler::Filler,
        inbox::Wake,
        record::{LogWriter, Record},
        schedule::Schedule,
    },
};

/// Evaluations in one wake-up: an outcome may make the next eviction possible, and a budget may be
/// used up while it is armed. More can wait for the next turn of the loop.
const EVALUATIONS: usize = 8;

impl Daemon {
    /// Looks, decides, acts; on a tick also with regard to the pods' own limits.
    pub(super) fn evaluate(&mut self, wake: Wake, is_tick: bool, schedule: &mut Schedule) {
        for turn in 0..EVALUATIONS {
            if let Some(kernel) = &mut self.kernel {
                kernel.mark();
            }
            let at = now();
            let limits = is_tick && turn == 0;
            self.observer.look(&self.evaluator, self.kernel.as_ref(), limits, at);
            self.evaluator.handle_timeout(at);
            self.evaluator.handle_observation(self.observer.observation(), now());
            let acted = self.carry_out(wake);
            self.evaluator.flush(self.observer.observation());

            let signals = &self.observer.observation().signals;
            let (policy, logs) = (self.evaluator.policy(), self.observer.log_writers());
            schedule.looked(policy, self.evaluator.forecast(), signals, at);
            if let Some(next) = logs.next() {
                schedule.look_by(next);
            }
            let log_bytes = logs.budget(policy.log_writers);
            let used_up =
                self.kernel.as_mut().is_some_and(|kernel| kernel.arm(policy, signals, log_bytes));
            if !acted && !used_up {
                return;
            }
        }
    }

    /// Carries out what was decided. True if something was done that may make more possible.
    pub(in crate::run) fn carry_out(&mut self, wake: Wake) -> bool {
        let mut acted = false;
        while let Some(command) = self.evaluator.poll_command() {
            let at = now();
            match command {
                Command::Evict(eviction) => {
                    let Carried { outcome, mut record, notice, request } =
                        self.evictions.carry_out(&eviction, &self.evaluator, &self.observer, wake);
                    self.evaluator.handle_outcome(&outcome, now());
                    record.filled_by = self.filler(eviction.signal, at);
                    record.node_reclaim = self.reclaims.take_end(eviction.signal);
                    self.reporter.report(at, Record::Eviction(Box::new(record)));
                    self.tell(notice);
                    self.tell_of_threshold(&eviction);
                    self.ask(request);
                    acted = true;
                }
                Command::SetCondition { condition, status } => {
                    self.reporter.report(at, Record::Condition { condition, status });
                    if let Some(node) = &self.node {
                        node.set(condition, status, at);
                    }
                }
                Command::Released { id, available, seen } => {
                    self.give_up_asking(id);
                    self.reporter.report(at, Record::Released { id: id.0, available, seen });
                }
                Command::UnableToEvict { signal } => {
                    self.reporter.report(at, Record::UnableToEvict { signal });
                }
                Command::ReportLogWriter(report) => {
                    let horizon = self.evaluator.policy().log_writers.horizon;
                    let filled_by = self.filler(report.signal, at);
                    let index = self.observer.index();
                    let record = LogWriter { filled_by, ..LogWriter::new(&report, horizon, index) };
                    self.reporter.report(at, Record::LogWriter(Box::new(record)));
                    // Evicting it takes another evaluation, with the pods at hand.
                    acted |= report.action == LogWriterAction::Evict;
                }
                Command::Reclaim { signal, steps } => self.reclaim(signal, steps, at),
                // Told by the eviction's own record.
                Command::ThresholdMet { .. } => {}
                Command::EvictOverLimit(eviction) => {
                    let Carried { outcome, record, notice, request: _ } =
                        self.evictions.carry_out_limit(&eviction, &self.observer, wake);
                    self.evaluator.handle_outcome(&outcome, now());
                    self.reporter.report(at, Record::Eviction(Box::new(record)));
                    self.tell(notice);
                    acted = true;
                }
            }
        }
        acted
    }

    /// Who fills the disk that a decision is about, if it is no pod.
    fn filler(&self, signal: Signal, at: MonoTime) -> Option<Filler> {
        self.fillers.as_ref()?.latest(signal, at).cloned()
    }
}
