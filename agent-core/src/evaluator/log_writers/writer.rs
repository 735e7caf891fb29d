//! One log writer over time: its last readings, its rate, and the incident it makes.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use crate::{EvictionId, LogWrites, MonoTime, PodRef};

/// A rate is formed over so many spans between readings. A burst shorter than a span lies in one of
/// them, or in two if a reading falls into it, and never fills a third.
const SPANS: usize = 3;

/// Readings closer than this to the one before tell nothing new: a writer that writes a block at a time
/// needs some time to show its rate.
const LEAST_SPAN: Duration = Duration::from_millis(150);

/// A writer of rare but large bursts is known by its average over this long.
const AVERAGED: Duration = Duration::from_secs(5);

/// An incident is over when the writer has been slow for this long.
const SLOW_FOR: Duration = Duration::from_secs(5);

/// The cumulative count of a writer at one time.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: MonoTime,
    bytes: u64,
}

impl Reading {
    /// Bytes per second from here to `later`.
    fn rate(self, later: Self) -> u64 {
        let bytes = u128::from(later.bytes.saturating_sub(self.bytes)) * 1_000_000_000;
        let rate = bytes.checked_div(later.at.since(self.at).as_nanos()).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// A runaway writer that was told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incident {
    /// Bytes per second when it was told last.
    told: u64,
    slow_since: Option<MonoTime>,
    /// Its pod's eviction.
    pub(super) eviction: Option<EvictionId>,
    /// Its pod is not looked at before that time; `None`: never, for it may not be evicted.
    pub(super) look_at: Option<MonoTime>,
}

/// One container.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pod: PodRef,
    pub(super) container: Arc<str>,
    /// The newest last; as many of them are known as `known` says.
    readings: [Reading; SPANS + 1],
    known: usize,
    /// Where the average began.
    averaged: Reading,
    /// The average, at the reading that completed it.
    average: Option<u64>,
    pub(super) incident: Option<Incident>,
    /// It was listed in the last reading.
    pub(super) listed: bool,
}

impl Writer {
    pub(super) fn new(seen: &LogWrites, now: MonoTime) -> Self {
        let first = Reading { at: now, bytes: seen.bytes };
        Self {
            pod: seen.pod.clone(),
            container: seen.container.clone(),
            readings: [first; SPANS + 1],
            known: 1,
            averaged: first,
            average: None,
            incident: None,
            listed: true,
        }
    }

    /// The order of writers: by UID and name; the inode tells a pod that was made again.
    pub(super) fn compare(&self, seen: &LogWrites) -> Ordering {
        let mine = (&self.pod.uid, &self.container, self.pod.cgroup_inode);
        mine.cmp(&(&seen.pod.uid, &seen.container, seen.pod.cgroup_inode))
    }

    /// Takes in a later count. Writers below half of `minimum` are slow.
    pub(super) fn read(&mut self, bytes: u64, minimum: u64, now: MonoTime) {
        self.listed = true;
        let last = self.last();
        let next = Reading { at: now, bytes };
        if bytes < last.bytes {
            (self.readings, self.known) = ([next; SPANS + 1], 1);
            (self.averaged, self.average) = (next, None);
            return;
        }
        if now.since(last.at) < LEAST_SPAN {
            return;
        }
        self.readings.rotate_left(1);
        self.readings[SPANS] = next;
        self.known = (self.known + 1).min(SPANS + 1);
        self.average = None;
        if now.since(self.averaged.at) >= AVERAGED {
            self.average = Some(self.averaged.rate(next));
            self.averaged = next;
        }
        self.age_incident(last, next, minimum);
    }

    fn age_incident(&mut self, last: Reading, next: Reading, minimum: u64) {
        let Some(incident) = &mut self.incident else {
            return;
        };
        let is_slow = last.rate(next) < minimum / 2;
        incident.slow_since = is_slow.then(|| incident.slow_since.unwrap_or(last.at));
        self.incident.take_if(|incident| {
            incident.slow_since.is_some_and(|since| next.at.since(since) >= SLOW_FOR)
        });
    }

    /// Its rate, if that has been at least `minimum` (bytes per second) for a while: over the last
    /// [`SPANS`] spans together, and half of it in each of them; or on average over [`AVERAGED`].
    pub(super) fn sustained_rate(&self, minimum: u64) -> Option<u64> {
        let recent = self.readings[0].rate(self.last());
        let steady = self.known > SPANS
            && recent >= minimum
            && self.readings.windows(2).all(|span| span[0].rate(span[1]) >= minimum / 2);
        if steady { Some(recent) } else { self.average.filter(|average| *average >= minimum) }
    }

    /// When it was read last.
    pub(super) const fn read_at(&self) -> MonoTime {
        self.last().at
    }

    const fn last(&self) -> Reading {
        self.readings[SPANS]
    }

    /// True the first time in an incident, and again whenever the rate has doubled since it was told.
    pub(super) fn is_news(&self, rate: u64) -> bool {
        self.incident.is_none_or(|incident| rate / 2 >= incident.told)
    }

    /// Takes note that it was told of.
    pub(super) fn tell(&mut self, rate: u64, now: MonoTime) {
        match &mut self.incident {
            Some(incident) => incident.told = rate,
            None => {
                self.incident = Some(Incident {
                    told: rate,
                    slow_since: None,
                    eviction: None,
                    look_at: Some(now),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMUM: u64 = 5_000_000;
    const MB: u64 = 1_000_000;

    fn writer() -> Writer {
        let pod = PodRef { uid: "u".into(), cgroup_inode: 1 };
        let seen = LogWrites { pod, container: "c".into(), bytes: 7 * MB };
        Writer::new(&seen, MonoTime::default())
    }

    /// Reads `counts` (bytes in 100 kB since the first reading), a reading every `millis`.
    fn read(writer: &mut Writer, millis: u64, counts: &[u64]) -> Vec<Option<u64>> {
        let begin = writer.read_at().as_nanos();
        let rates = counts.iter().zip(1..).map(|(count, i)| {
            let now = MonoTime::from_nanos(begin + i * millis * 1_000_000);
            writer.read(7 * MB + count * 100_000, MINIMUM, now);
            writer.sustained_rate(MINIMUM).map(|rate| rate / 100_000)
        });
        rates.collect()
    }

    /// (name, milliseconds between readings, counts, rates)
    type Case = (&'static str, u64, &'static [u64], &'static [Option<u64>]);

    #[test]
    fn a_rate_counts_when_it_is_sustained() {
        let cases: [Case; 9] = [
            ("sustained", 200, &[10, 20, 30], &[None, None, Some(50)]),
            ("just below", 200, &[10, 20, 29], &[None, None, None]),
            ("a burst in one span", 200, &[60, 60, 60, 60], &[None; 4]),
            ("a burst in two spans", 200, &[0, 40, 80, 80, 80], &[None; 5]),
            ("a burst and a slow writer", 200, &[40, 80, 84, 88], &[None; 4]),
            ("a hiccup", 200, &[10, 15, 30, 40], &[None, None, Some(50), Some(50)]),
            ("it grows", 200, &[10, 20, 30, 60], &[None, None, Some(50), Some(83)]),
            (
                "readings that come too soon",
                100,
                &[5, 10, 15, 20, 25, 30],
                &[None, None, None, None, None, Some(50)],
            ),
            ("bursts five seconds apart", 2500, &[300, 300, 600], &[None, Some(60), None]),
        ];
        for (name, millis, counts, expected) in cases {
            assert_eq!(read(&mut writer(), millis, counts), expected, "{name}");
        }
    }

    #[test]
    fn a_counter_that_restarts_begins_anew() {
        let mut writer = writer();
        read(&mut writer, 200, &[10, 20, 30]);
        assert_eq!(writer.sustained_rate(MINIMUM), Some(MINIMUM));
        for (i, millions, expected) in
            [(1, 0, None), (2, 1, None), (3, 2, None), (4, 3, Some(MINIMUM))]
        {
            let now = MonoTime::from_nanos((600 + i * 200) * 1_000_000);
            writer.read(millions * MB, MINIMUM, now);
            assert_eq!(writer.sustained_rate(MINIMUM), expected, "{millions} MB");
        }
    }

    #[test]
    fn an_incident_ends_when_the_writer_was_slow_for_a_while() {
        let mut writer = writer();
        read(&mut writer, 200, &[10, 20, 30]);
        writer.tell(MINIMUM, writer.read_at());
        assert!(!writer.is_news(2 * MINIMUM - 1) && writer.is_news(2 * MINIMUM));
        // Second by second: half the minimum keeps it open, less than that for five seconds ends it.
        let steps = [
            (25, true),
            (24, true),
            (24, true),
            (25, true),
            (0, true),
            (0, true),
            (24, true),
            (0, true),
            (24, false),
        ];
        let mut count = 30;
        for (second, (written, open)) in steps.into_iter().enumerate() {
            count += written;
            let now = MonoTime::from_nanos(600_000_000 + (second as u64 + 1) * 1_000_000_000);
            writer.read(7 * MB + count * 100_000, MINIMUM, now);
            assert_eq!(writer.incident.is_some(), open, "second {second}");
        }
        assert!(writer.is_news(MINIMUM));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut writer = writer();
        for at in [1, 2, 3, u64::MAX] {
            writer.read(u64::MAX, u64::MAX, MonoTime::from_nanos(at));
            assert_eq!(writer.sustained_rate(u64::MAX), None);
        }
        writer.read(0, 0, MonoTime::from_nanos(u64::MAX));
        assert_eq!(writer.sustained_rate(1), None);
    }
}
