//! Where the control loop leaves what only it knows, for those who answer questions.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use evictd_core::MonoTime;

use super::{NodeState, PodView};

/// So long after a question the loop goes on publishing.
const INTEREST: Duration = Duration::from_secs(5);

/// What was published longer ago is not given away any more.
const FRESH: Duration = Duration::from_millis(2500);

/// What the control loop knows.
#[derive(Clone, Debug)]
pub struct Publication {
    /// When.
    pub at: MonoTime,
    /// The node.
    pub node: NodeState,
    /// Its pods.
    pub pods: Vec<PodView>,
    /// `observe` or `enforce`.
    pub mode: String,
}

/// The last publication. The loop never waits here: where the board is in use it publishes a tick later.
#[derive(Debug, Default)]
pub struct Board {
    /// CLOCK_MONOTONIC of the last question; 0 if nobody ever asked.
    asked_ns: AtomicU64,
    last: Mutex<Option<Arc<Publication>>>,
    news: Condvar,
}

impl Board {
    /// Whether somebody asked lately.
    pub fn is_wanted(&self, now: MonoTime) -> bool {
        let asked = self.asked_ns.load(Ordering::Relaxed);
        asked != 0 && now <= MonoTime::from_nanos(asked).after(INTEREST)
    }

    /// Replaces what was published before.
    pub fn publish(&self, publication: Publication) {
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some(Arc::new(publication));
            self.news.notify_all();
        }
    }

    /// What was published lately; waits for it as long as `patience` if need be. `None` if nothing came.
    pub fn fetch(&self, now: MonoTime, patience: Duration) -> Option<Arc<Publication>> {
        self.asked_ns.store(now.as_nanos().max(1), Ordering::Relaxed);
        let is_fresh = |last: &Option<Arc<Publication>>| {
            last.as_ref().is_some_and(|last| now <= last.at.after(FRESH))
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.news.wait_timeout_while(last, patience, |last| !is_fresh(last));
        let (last, _) = waited.unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|_| is_fresh(&last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_nanos(millis * 1_000_000)
    }

    fn publication(millis: u64) -> Publication {
        let (node, pods, mode) = (NodeState::default(), Vec::new(), String::new());
        Publication { at: at(millis), node, pods, mode }
    }

    #[test]
    fn the_loop_publishes_only_while_somebody_asks() {
        let board = Board::default();
        assert!(!board.is_wanted(at(0)) && !board.is_wanted(at(100_000)), "nobody asked");
        assert!(board.fetch(at(1000), Duration::ZERO).is_none(), "nothing is published yet");
        for (millis, wanted) in [(1000, true), (6000, true), (6001, false)] {
            assert_eq!(board.is_wanted(at(millis)), wanted, "{millis}");
        }
    }

    #[test]
    fn what_is_old_is_not_given_away() {
        let board = Board::default();
        board.publish(publication(1000));
        for (millis, given) in [(1000, true), (3500, true), (3501, false)] {
            assert_eq!(board.fetch(at(millis), Duration::ZERO).is_some(), given, "{millis}");
        }
    }

    #[test]
    fn who_asks_waits_for_the_next_publication() {
        let board = Board::default();
        let fetched = std::thread::scope(|scope| {
            let asking = scope.spawn(|| board.fetch(at(1000), Duration::from_secs(60)));
            while !board.is_wanted(at(1000)) {
                std::thread::yield_now();
            }
            // The board may be in use at the first attempt, as it may be for the loop.
            while !asking.is_finished() {
                board.publish(publication(1000));
            }
            asking.join().unwrap()
        });
        assert!(fetched.is_some());
    }

    #[test]
    fn the_loop_does_not_wait_for_a_board_in_use() {
        let board = Board::default();
        let held = board.last.lock().unwrap();
        board.publish(publication(1000));
        drop(held);
        assert!(board.fetch(at(1000), Duration::ZERO).is_none(), "left for the next tick");
    }
}
