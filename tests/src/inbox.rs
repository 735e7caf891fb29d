//! Everything that happens, in the order it arrived: evictd's records, the runtime's replies, Ctrl-C.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{record::Record, runtime::Reply};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// evictd printed a record.
    Record(Box<Record>),
    /// evictd printed something that is no record.
    BadRecord(String),
    /// evictd closed its stdout: it ended.
    EvictdEnded,
    /// The container runtime answered or reports.
    Runtime(Reply),
    /// SIGINT, SIGTERM or SIGHUP.
    Interrupted,
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WaitError {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// It did not happen in time.
    #[error("waited {0:?} for {1}")]
    TimedOut(Duration, String),
    /// evictd ended before it happened.
    #[error("evictd ended while waiting for {0}")]
    EvictdEnded(String),
    /// evictd printed something that is no record.
    #[error("evictd printed a line that is no record: {0}")]
    BadRecord(String),
}

/// A log of events that can be waited on from any position.
#[derive(Debug)]
pub struct Inbox {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    events: Vec<Event>,
    /// An end of evictd before that position was wanted.
    wanted_end: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, events: Vec::new(), wanted_end: 0 }
    }
}

impl Inbox {
    /// Turns SIGINT, SIGTERM and SIGHUP of this process into [`Event::Interrupted`].
    pub fn catch_signals(&self) -> Result<()> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).context("installing signal handlers")?;
        let sender = self.sender();
        thread::spawn(move || {
            for _ in signals.forever() {
                if sender.send(Event::Interrupted).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Where sources put their events.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// The position after the last event seen so far.
    pub fn mark(&mut self) -> usize {
        self.events.extend(self.receiver.try_iter());
        self.events.len()
    }

    /// The events from position `from` on that have arrived by now.
    pub fn since(&mut self, from: usize) -> &[Event] {
        self.mark();
        &self.events[from.min(self.events.len())..]
    }

    /// Waits until `pick` takes an event at or after position `from`.
    pub fn wait<T>(
        &mut self,
        from: usize,
        patience: Duration,
        what: &str,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, WaitError> {
        let deadline = Instant::now() + patience;
        let mut next = from;
        loop {
            self.mark();
            while let Some(event) = self.events.get(next) {
                next += 1;
                if let Some(found) = pick(event) {
                    return Ok(found);
                }
            }
            self.check_end(what)?;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left) {
                Ok(event) => self.events.push(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(WaitError::TimedOut(patience, what.to_owned()));
                }
            }
        }
    }

    /// Waits until evictd has ended, after `from`; from then on that it has is no error.
    pub fn wait_end(&mut self, from: usize, patience: Duration) -> Result<(), WaitError> {
        let ended = |event: &Event| matches!(event, Event::EvictdEnded).then_some(());
        self.wait(from, patience, "evictd to end", ended)?;
        self.wanted_end = self.mark();
        Ok(())
    }

    /// An error when something has happened, at any time, after which waiting is in vain.
    fn check_end(&self, what: &str) -> Result<(), WaitError> {
        let error = self.events.iter().enumerate().find_map(|(position, event)| match event {
            Event::Interrupted => Some(WaitError::Interrupted),
            Event::EvictdEnded if position < self.wanted_end => None,
            Event::EvictdEnded => Some(WaitError::EvictdEnded(what.to_owned())),
            Event::BadRecord(line) => Some(WaitError::BadRecord(line.clone())),
            Event::Record(_) | Event::Runtime(_) => None,
        });
        error.map_or(Ok(()), Err)
    }

    /// Waits for a record that `pick` takes.
    pub fn wait_record<T>(
        &mut self,
        from: usize,
        patience: Duration,
        what: &str,
        mut pick: impl FnMut(&Record) -> Option<T>,
    ) -> Result<T, WaitError> {
        self.wait(from, patience, what, |event| match event {
            Event::Record(record) => pick(record),
            Event::BadRecord(_) | Event::EvictdEnded | Event::Runtime(_) | Event::Interrupted => {
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    fn oom(record: &Record) -> Option<u32> {
        if let Record::OomVictim(victim) = record { Some(victim.pid) } else { None }
    }

    fn victim(pid: u32) -> Event {
        let line = format!(
            r#"{{"record":"oom_victim","mono_ns":1,"cgroup_id":0,"pid":{pid},"comm":"x"}}"#
        );
        Event::Record(serde_json::from_str(&line).unwrap())
    }

    #[test]
    fn waits_find_events_that_came_before_the_wait() {
        let mut inbox = Inbox::default();
        for pid in [1, 2] {
            inbox.sender().send(victim(pid)).unwrap();
        }
        assert_eq!(inbox.wait_record(0, SHORT, "victim", oom).unwrap(), 1);
        let mark = inbox.mark();
        assert_eq!(mark, 2);
        assert_eq!(inbox.wait_record(1, SHORT, "victim", oom).unwrap(), 2);
        let late = inbox.wait_record(mark, SHORT, "victim", oom);
        assert!(matches!(late, Err(WaitError::TimedOut(..))));
    }

    #[test]
    fn an_end_or_an_interrupt_ends_every_wait() {
        for (event, text) in [
            (Event::Interrupted, "interrupted"),
            (Event::EvictdEnded, "evictd ended while waiting for a victim"),
            (Event::BadRecord("?".into()), "evictd printed a line that is no record: ?"),
        ] {
            let mut inbox = Inbox::default();
            inbox.sender().send(event).unwrap();
            let error = inbox.wait_record(0, SHORT, "a victim", oom).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
