//! Asking for one eviction: what follows from an answer.

use std::time::Duration;

use evictd_core::{MonoTime, RefusedReason};

use super::answer::Answer;
use crate::cluster::backoff::{Backoff, jittered};

/// How often the API server is asked before that is given up.
const ATTEMPTS: u32 = 5;

/// No attempt is made later than this after the first. With [`PER_ATTEMPT`] it is less than the
/// evaluator waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long one attempt may take.
pub(super) const PER_ATTEMPT: Duration = Duration::from_secs(5);

/// Between attempts where the API server does not say.
const BETWEEN: Backoff =
    Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(4) };

/// Before the evaluator may ask about the pod again, by refusals in a row.
const REFUSED: Backoff =
    Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(300) };

/// How far it has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    began: MonoTime,
    attempts: u32,
    /// How often a budget has refused this pod before.
    refusals: u32,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask again.
    Again {
        /// After so long.
        wait: Duration,
    },
    /// The kubelet ends the pod.
    Accepted,
    /// It is not done.
    Refused(RefusedReason),
}

impl Asking {
    /// Nothing asked yet.
    pub(super) const fn begin(refusals: u32, now: MonoTime) -> Self {
        Self { began: now, attempts: 0, refusals }
    }

    /// Takes in an answer that came at `now`. `chance` spreads what many nodes ask at once.
    pub(super) fn take(&mut self, answer: &Answer, now: MonoTime, chance: u32) -> Step {
        self.attempts += 1;
        match answer {
            Answer::Accepted => Step::Accepted,
            Answer::Gone => Step::Refused(RefusedReason::Gone),
            Answer::Disruption { retry_after, .. } => {
                let wait = REFUSED.exact(self.refusals + 1);
                let wait = jittered(wait.max(retry_after.unwrap_or_default()), chance);
                Step::Refused(RefusedReason::Disruption { retry_after: wait })
            }
            Answer::Denied { .. } => self.give_up(chance),
            Answer::Busy { retry_after, .. } => {
                let wait = BETWEEN.exact(self.attempts).max(retry_after.unwrap_or_default());
                let wait = jittered(wait, chance);
                let is_late = now.after(wait).since(self.began) > PATIENCE;
                if self.attempts >= ATTEMPTS || is_late {
                    self.give_up(chance)
                } else {
                    Step::Again { wait }
                }
            }
        }
    }

    fn give_up(self, chance: u32) -> Step {
        let retry_after = jittered(REFUSED.exact(self.refusals + 1), chance);
        Step::Refused(RefusedReason::Unanswered { retry_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(seconds: Option<u64>) -> Answer {
        let retry_after = seconds.map(Duration::from_secs);
        Answer::Busy { retry_after, message: String::new() }
    }

    fn budget(seconds: Option<u64>) -> Answer {
        let retry_after = seconds.map(Duration::from_secs);
        Answer::Disruption { retry_after, message: String::new() }
    }

    fn disruption(seconds: u64) -> Step {
        let retry_after = Duration::from_secs(seconds);
        Step::Refused(RefusedReason::Disruption { retry_after })
    }

    fn unanswered(millis: u64) -> Step {
        let retry_after = Duration::from_millis(millis);
        Step::Refused(RefusedReason::Unanswered { retry_after })
    }

    fn again(millis: u64) -> Step {
        Step::Again { wait: Duration::from_millis(millis) }
    }

    #[test]
    fn what_follows_from_an_answer() {
        let denied = || Answer::Denied { message: String::new() };
        let gone = || Step::Refused(RefusedReason::Gone);
        // Name, refusals before, answers with their times in seconds, the steps.
        type Case = (&'static str, u32, Vec<(Answer, u64)>, Vec<Step>);
        let cases: [Case; 11] = [
            ("accepted", 0, vec![(Answer::Accepted, 0)], vec![Step::Accepted]),
            ("gone", 0, vec![(Answer::Gone, 0)], vec![gone()]),
            ("budget exhausted", 0, vec![(budget(None), 0)], vec![disruption(10)]),
            (
                "budget exhausted for the third time",
                2,
                vec![(budget(None), 0)],
                vec![disruption(40)],
            ),
            ("for the hundredth", 99, vec![(budget(None), 0)], vec![disruption(300)]),
            ("budget with Retry-After", 0, vec![(budget(Some(30)), 0)], vec![disruption(30)]),
            ("no permission", 0, vec![(denied(), 0)], vec![unanswered(10_000)]),
            (
                "broken, then well",
                0,
                vec![(busy(None), 0), (busy(None), 1), (Answer::Accepted, 2)],
                vec![again(250), again(500), Step::Accepted],
            ),
            (
                "broken for good",
                0,
                (0..5).map(|second| (busy(None), second)).collect(),
                vec![again(250), again(500), again(1000), again(2000), unanswered(10_000)],
            ),
            ("overload", 0, vec![(busy(Some(3)), 0), (busy(Some(3)), 4)], vec![again(3000); 2]),
            (
                "told to wait longer than the evaluator does",
                0,
                vec![(busy(Some(60)), 0)],
                vec![unanswered(10_000)],
            ),
        ];
        for (name, refusals, answers, expected) in cases {
            let mut asking = Asking::begin(refusals, MonoTime::default());
            let steps: Vec<Step> = answers
                .iter()
                .map(|(answer, at)| {
                    asking.take(answer, MonoTime::from_nanos(at * 1_000_000_000), 0)
                })
                .collect();
            assert_eq!(steps, expected, "{name}");
        }
    }

    #[test]
    fn attempts_that_take_long_are_bounded_by_time() {
        let mut asking = Asking::begin(0, MonoTime::default());
        let took = |n: u64| MonoTime::from_nanos(n * 5_500_000_000);
        assert_eq!(asking.take(&busy(None), took(1), 0), again(250));
        assert_eq!(asking.take(&busy(None), took(2), 0), again(500));
        assert_eq!(asking.take(&busy(None), took(3), 0), unanswered(10_000));
    }

    #[test]
    fn chance_spreads_refusals() {
        let mut asking = Asking::begin(0, MonoTime::default());
        let step = asking.take(&budget(None), MonoTime::default(), u32::MAX);
        let retry_after = Duration::from_millis(12_500);
        assert_eq!(step, Step::Refused(RefusedReason::Disruption { retry_after }));
    }
}
