//! How often disruption budgets have refused which pods lately.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evictd_core::{MonoTime, Outcome, RefusedReason};

/// A pod that was not refused for this long starts anew; longer than the longest back-off.
const REMEMBERED: Duration = Duration::from_secs(900);

/// Refusals in a row, by pod UID.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Arc<str>, (u32, MonoTime)>);

impl Refusals {
    /// Of that pod so far.
    pub(super) fn of(&self, uid: &str) -> u32 {
        self.0.get(uid).map_or(0, |(count, _)| *count)
    }

    /// Takes in what came of asking about that pod.
    pub(super) fn take_note(&mut self, uid: &Arc<str>, outcome: &Outcome, now: MonoTime) {
        if let Outcome::Refused { reason: RefusedReason::Disruption { .. }, .. } = outcome {
            self.count(uid, now);
        } else if let Outcome::Accepted { .. } = outcome {
            self.0.remove(uid);
        }
    }

    /// One more; what is old is forgotten.
    fn count(&mut self, uid: &Arc<str>, now: MonoTime) {
        self.0.retain(|_, (_, last)| now.since(*last) < REMEMBERED);
        let (count, last) = self.0.entry(uid.clone()).or_insert((0, now));
        *count = count.saturating_add(1);
        *last = now;
    }
}

#[cfg(test)]
mod tests {
    use evictd_core::EvictionId;

    use super::*;

    #[test]
    fn refusals_count_by_pod_and_are_forgotten() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut refusals = Refusals::default();
        let at = MonoTime::default();
        let id = EvictionId(1);
        let refused = |reason| Outcome::Refused { id, reason };
        let disruption = refused(RefusedReason::Disruption { retry_after: Duration::ZERO });
        let unanswered = refused(RefusedReason::Unanswered { retry_after: Duration::ZERO });
        for (uid, outcome) in
            [(&a, &disruption), (&a, &disruption), (&b, &disruption), (&a, &unanswered)]
        {
            refusals.take_note(uid, outcome, at);
        }
        assert_eq!((refusals.of("a"), refusals.of("b"), refusals.of("c")), (2, 1, 0));
        refusals.take_note(&b, &Outcome::Accepted { id }, at);
        assert_eq!(refusals.of("b"), 0);
        refusals.count(&b, at.after(REMEMBERED));
        assert_eq!(refusals.of("a"), 0, "long ago");
    }
}
