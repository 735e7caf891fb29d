//! What the daemon has the cluster do and say: soft evictions asked for, and the node's own conditions.

use std::time::Duration;

use evictd_core::{Eviction, EvictionId, EvictionReason, Outcome, RefusedReason};

use super::{daemon::Daemon, record::Record, told::outcome_name};
use crate::{
    clock::now,
    cluster::evict::{Answered, Request},
};

/// A request that could not even be handed over may be made again after this long.
const BUSY: Duration = Duration::from_secs(10);

impl Daemon {
    /// Has the API server asked. The answer comes later.
    pub(super) fn ask(&mut self, request: Option<Request>) {
        let Some(request) = request else { return };
        let id = request.id;
        let taken = self.evictor.as_ref().is_some_and(|evictor| evictor.ask(request));
        if !taken {
            let reason = RefusedReason::Unanswered { retry_after: BUSY };
            let detail = Some("too many requests wait already".to_owned());
            let outcome = Outcome::Refused { id, reason };
            self.take_answer(Answered { id, outcome, attempts: 0, detail });
        }
    }

    /// Takes in what came of asking.
    pub(super) fn take_answer(&mut self, answered: Answered) {
        let at = now();
        let Answered { outcome, id, attempts, detail } = answered;
        self.evictions.answered(id, &outcome, at);
        self.evaluator.handle_outcome(&outcome, at);
        let retry_after_ms = if let Outcome::Refused {
            reason:
                RefusedReason::Disruption { retry_after } | RefusedReason::Unanswered { retry_after },
            ..
        } = &outcome
        {
            u64::try_from(retry_after.as_millis()).ok()
        } else {
            None
        };
        let outcome = outcome_name(&outcome);
        let record = Record::EvictionAnswer { id: id.0, outcome, attempts, retry_after_ms, detail };
        self.reporter.report(at, record);
    }

    /// An eviction whose end is no longer waited for needs no answer either.
    pub(super) fn give_up_asking(&mut self, id: EvictionId) {
        if self.evictions.give_up_asking(id)
            && let Some(evictor) = &self.evictor
        {
            evictor.cancel(id);
        }
    }

    /// The node's Event that a threshold is acted on (L-16).
    pub(super) fn tell_of_threshold(&self, eviction: &Eviction) {
        if let Some(node) =
            self.node.as_ref().filter(|_| eviction.reason == EvictionReason::Threshold)
        {
            node.threshold_met(eviction.signal);
        }
    }

    /// Once looked at, the node's conditions are known, changed or not.
    pub(super) fn confirm_conditions(&self) {
        if let Some(node) = &self.node {
            node.confirm(self.evaluator.conditions(), now());
        }
    }
}
