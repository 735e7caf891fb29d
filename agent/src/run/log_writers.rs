//! Reads what the kernel counted for each log directory, when that may matter.
//!
//! While no log grows nothing is read. The kernel has a budget for what is written into logs altogether;
//! when that is used up, or a second has passed, the counters are read, and again after
//! [`LOG_READING_INTERVAL`] for as long as the logs grow about as fast as a single runaway writer would.
//! A writer at the minimum rate is so read first an eighth of a second after its first byte, and its
//! rate is known three intervals later.

use std::time::Duration;

use evictd_core::{
    LOG_READING_INTERVAL, LogWriterAction, LogWriterPolicy, LogWrites, MonoTime, Policy,
};
use tracing::warn;

use super::{disk_usage::log_directory, kernel::Kernel};
use crate::pods::{LogDir, PodIndex};

/// Logs that grow slowly are read this often.
const TICK: Duration = Duration::from_secs(1);

/// While some threshold is due the counters are read no more often than this, so that a kill that is
/// decided on a record does not wait for them: a log that grows fast was read a moment before.
const UNDER_PRESSURE: Duration = Duration::from_secs(2);

/// The reading of log counters.
#[derive(Debug, Default)]
pub struct LogWriters {
    last: Option<Reading>,
    /// When to read again, if logs grow fast; the kernel's budget is not needed then.
    next: Option<MonoTime>,
    warned: bool,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: MonoTime,
    /// Bytes written into all logs by then.
    total: i64,
}

impl LogWriters {
    /// Replaces `out` by the counters of all log directories on nodefs (`nodefs_dev` is its `st_dev`),
    /// if they are to be read now, else by nothing. `pressed`: a threshold is due.
    pub fn read(
        &mut self,
        policy: &Policy,
        (index, nodefs_dev): (&PodIndex, u64),
        kernel: Option<&Kernel>,
        pressed: bool,
        now: MonoTime,
        out: &mut Vec<LogWrites>,
    ) {
        out.clear();
        if policy.log_writers.action == LogWriterAction::Off {
            self.next = None;
            return;
        }
        self.warn_once(policy, kernel);
        let Some((counters, total)) = kernel.and_then(Kernel::log_counters) else {
            return;
        };
        if !self.is_due(policy.log_writers, total, pressed, now) {
            return;
        }
        for pod in index.iter() {
            let logs = pod.logs().iter().filter(|log| log.dev == nodefs_dev);
            out.extend(logs.filter_map(|log: &LogDir| {
                let bytes = counters.log_writes(&log_directory(log))?.bytes;
                let (pod, container) = (pod.facts().id.clone(), log.container.clone());
                Some(LogWrites { pod, container, bytes })
            }));
        }
    }

    /// When to look at the latest.
    pub const fn next(&self) -> Option<MonoTime> {
        self.next
    }

    /// After how many more bytes in logs the kernel is to wake us.
    pub fn budget(&self, policy: LogWriterPolicy) -> Option<u64> {
        let armed = policy.action != LogWriterAction::Off && self.next.is_none();
        armed.then(|| budget(policy))
    }

    /// True when the counters are to be read now; they count as read then.
    fn is_due(
        &mut self,
        policy: LogWriterPolicy,
        total: i64,
        pressed: bool,
        now: MonoTime,
    ) -> bool {
        let this = Reading { at: now, total };
        let Some(last) = self.last else {
            self.last = Some(this);
            return true;
        };
        let written = total.saturating_sub(last.total).max(0).unsigned_abs();
        let fast = written >= budget(policy);
        let least = if pressed { UNDER_PRESSURE } else { LOG_READING_INTERVAL };
        if now < last.at.after(least) {
            let again = fast || self.next.is_some();
            self.next = again.then(|| last.at.after(least));
            return false;
        }
        let due = fast || self.next.is_some() || now >= last.at.after(TICK);
        self.next = (fast && due).then(|| now.after(LOG_READING_INTERVAL));
        // Where nothing was written the counters are what they were.
        let is_read = due && written > 0;
        if is_read {
            self.last = Some(this);
        }
        is_read
    }

    fn warn_once(&mut self, policy: &Policy, kernel: Option<&Kernel>) {
        if std::mem::replace(&mut self.warned, true) {
            return;
        }
        if kernel.and_then(Kernel::log_counters).is_none() {
            warn!("log writers are not watched: no probe counts writes");
        } else if policy.log_writers.action != policy.log_writer_action() {
            warn!("log writers are reported, not evicted: that needs semantics: strict");
        }
    }
}

/// What a writer at the minimum rate writes in an eighth of a second.
const fn budget(policy: LogWriterPolicy) -> u64 {
    let bytes = policy.minimum_rate / 8;
    if bytes == 0 { 1 } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: LogWriterPolicy = LogWriterPolicy {
        action: LogWriterAction::Report,
        horizon: Duration::from_secs(600),
        minimum_rate: 8000,
    };

    const fn ms(millis: u64) -> MonoTime {
        MonoTime::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn counters_are_read_when_it_may_matter() {
        // (name, milliseconds, bytes in all logs, pressed, read, next)
        let steps = [
            ("the first time", 0, 500, false, true, None),
            ("slow, too soon", 500, 1000, false, false, None),
            ("slow, after a second", 1000, 1499, false, true, None),
            ("nothing written", 2500, 1499, false, false, None),
            ("fast", 2600, 2499, false, true, Some(2800)),
            ("too soon", 2700, 3000, false, false, Some(2800)),
            ("still fast", 2800, 3500, false, true, Some(3000)),
            ("fast no more", 3000, 4000, false, true, None),
            ("fast at once", 3050, 5100, false, false, Some(3200)),
            ("a threshold is due", 3200, 9000, true, false, Some(5000)),
            ("for long", 5000, 20_000, true, true, Some(5200)),
            ("written nothing since", 5200, 20_000, false, false, None),
        ];
        let mut logs = LogWriters::default();
        for (name, at, total, pressed, read, next) in steps {
            assert_eq!(logs.is_due(POLICY, total, pressed, ms(at)), read, "{name}");
            assert_eq!(logs.next(), next.map(ms), "{name}");
            assert_eq!(logs.budget(POLICY), next.is_none().then_some(1000), "{name}");
        }
        let off = LogWriterPolicy { action: LogWriterAction::Off, ..POLICY };
        assert_eq!(logs.budget(off), None);
    }

    #[test]
    fn the_next_reading_is_never_in_the_past() {
        let mut logs = LogWriters::default();
        for i in 0..500_u64 {
            let (total, pressed) = (i64::from(i % 7 < 4) * 900 * i as i64, i % 5 < 3);
            logs.is_due(POLICY, total, pressed, ms(i * 37));
            assert!(logs.next().is_none_or(|next| next > ms(i * 37)), "{i}");
        }
    }

    #[test]
    fn the_least_budget_is_a_byte() {
        assert_eq!(budget(LogWriterPolicy { minimum_rate: 1, ..POLICY }), 1);
    }
}
