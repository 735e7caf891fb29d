//! What came of an eviction.

use std::time::Duration;

use super::{Evaluator, ledger::Standing, simulation::Simulated};
use crate::{Bar, Command, EvictionId, MonoTime, Outcome, RefusedReason};

/// How long a pod whose kill failed is left alone.
const FAILED_BACK_OFF: Duration = Duration::from_secs(1);

impl Evaluator {
    /// Takes in what came of an eviction. Outcomes of evictions that are no longer waited for change
    /// what is known of the pod and nothing else.
    pub fn handle_outcome(&mut self, outcome: &Outcome, now: MonoTime) {
        let now = self.advance(now);
        match outcome {
            &Outcome::Killed { id } => {
                if let Some(pending) = self.in_flight.by_id(id) {
                    pending.killed = true;
                }
            }
            &Outcome::Emptied { id } => match self.in_flight.by_id(id) {
                Some(pending) => {
                    pending.killed = true;
                    pending.emptied_at.get_or_insert(now);
                }
                None => {
                    self.over_limit.note_emptied(id);
                    self.ledger.note_emptied(id);
                }
            },
            &Outcome::Asked { id } => {
                if let Some(pending) = self.in_flight.by_id(id) {
                    pending.delegate(now);
                }
            }
            &Outcome::Accepted { id } => {
                if let Some(pending) = self.in_flight.by_id(id) {
                    pending.accepted(now);
                }
            }
            &Outcome::Observed { id } => self.simulate(id, now),
            &Outcome::Refused { id, reason } => self.take_refusal(id, reason, now),
            Outcome::Reclaimed { signals } => self.resume(signals.as_deref(), now),
        }
    }

    /// Observe mode: the release is credited at once.
    fn simulate(&mut self, id: EvictionId, now: MonoTime) {
        // An eviction over a limit that was only observed: the pod counts as evicted.
        if self.over_limit.close(id) {
            self.ledger.amend(id, Standing::Simulated);
        }
        let Some(pending) = self.in_flight.close(id) else {
            return;
        };
        let credit = pending.expected_release;
        let available = pending.last_available.saturating_add_unsigned(credit);
        self.commands.push_back(Command::Released { id, available, seen: true });
        self.ledger.forget(&pending.pod);
        let (pod, signal, threshold) = (pending.pod, pending.signal, pending.threshold);
        self.simulation.add(Simulated { pod, signal, threshold, credit }, now);
    }

    /// Nothing was killed, so there is nothing to wait for.
    fn take_refusal(&mut self, id: EvictionId, reason: RefusedReason, now: MonoTime) {
        self.in_flight.close(id);
        self.over_limit.close(id);
        let mut declined = |bar, retry_after| {
            let until = now.after(retry_after);
            self.log_writers.retry(id, until);
            Standing::Declined { bar, until }
        };
        let standing = match reason {
            RefusedReason::Gone => Standing::Gone,
            RefusedReason::Reused => Standing::Reused,
            RefusedReason::Disruption { retry_after } => declined(Bar::Disruption, retry_after),
            RefusedReason::Unanswered { retry_after } => declined(Bar::Unanswered, retry_after),
            RefusedReason::Failed => {
                let until = now.after(FAILED_BACK_OFF);
                self.log_writers.retry(id, until);
                Standing::Failed { until }
            }
        };
        self.ledger.amend(id, standing);
    }
}
