//! When to look next if nothing happens.

use std::time::Duration;

use evictd_core::{Forecast, MonoTime, NodeSignals, Policy, Signal, memory_look, task_look};

use super::{inbox::Wake, record::WokenBy};

/// The slow tick: looks whatever else happens.
const TICK: Duration = Duration::from_secs(1);

/// Looks while a threshold is met: for the release to show, or for a pod to evict to appear.
const WHILE_MET: Duration = Duration::from_millis(10);

/// Records that say "look now" are heeded no more often than this.
const LEAST_GAP: Duration = Duration::from_millis(5);

/// What has no cheap hook.
const MEMORY: &[Signal] = &[Signal::MemoryAvailable, Signal::AllocatableMemoryAvailable];
/// What is looked at by fill rate where writes are not probed.
const DISKS: &[Signal] =
    &[Signal::NodefsAvailable, Signal::LogfsAvailable, Signal::ImagefsAvailable];

/// What has tripwires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Writes to disks.
    pub writes: bool,
    /// Tasks that are made.
    pub tasks: bool,
}

/// The clock-driven part of looking at the node.
#[derive(Debug)]
pub struct Schedule {
    probed: Probed,
    looked: MonoTime,
    look: MonoTime,
    tick: MonoTime,
    put_off: Option<Wake>,
}

impl Schedule {
    /// Look and tick are due at once. What is not probed is looked at by fill rate.
    pub const fn new(now: MonoTime, probed: Probed) -> Self {
        Self { probed, looked: now, look: now, tick: now, put_off: None }
    }

    /// When to look at the latest.
    pub fn next(&self) -> MonoTime {
        self.look.min(self.tick)
    }

    /// Whether the slow tick is due.
    pub fn is_tick(&self, now: MonoTime) -> bool {
        now >= self.tick
    }

    /// Gives `wake` back unless it comes too soon after the last look. The look is then due at the end of
    /// the gap, and still for that reason.
    pub fn heed(&mut self, wake: Wake, now: MonoTime) -> Option<Wake> {
        let due = self.looked.after(LEAST_GAP);
        if now >= due {
            return Some(wake);
        }
        self.look = self.look.min(due);
        self.put_off = Some(self.reason(wake));
        None
    }

    /// Why to look by the clock at `now`, if it is time.
    pub fn due(&self, now: MonoTime) -> Option<Wake> {
        let by = if self.is_tick(now) { WokenBy::Tick } else { WokenBy::Look };
        (self.next() <= now).then(|| Wake::by_clock(by))
    }

    /// The more urgent of that reason and one that was put off.
    pub fn reason(&self, wake: Wake) -> Wake {
        self.put_off.filter(|put_off| put_off.by <= wake.by).unwrap_or(wake)
    }

    /// A look is due at that time at the latest.
    pub fn look_by(&mut self, due: MonoTime) {
        self.look = self.look.min(due);
    }

    /// The next slow tick begins to count now.
    pub fn ticked(&mut self, now: MonoTime) {
        self.tick = now.after(TICK);
    }

    /// Plans the next look after one that saw `signals`, which are in the forecast.
    pub fn looked(
        &mut self,
        policy: &Policy,
        forecast: &Forecast,
        signals: &NodeSignals,
        now: MonoTime,
    ) {
        self.looked = now;
        self.put_off = None;
        let mut wait = TICK;
        let disks = if self.probed.writes { &[] } else { DISKS };
        for &signal in MEMORY.iter().chain(disks) {
            if let Some(headroom) = policy.headroom(signals, signal) {
                wait = wait.min(memory_look(headroom, forecast.rate(signal)));
            }
        }
        if !self.probed.tasks
            && let Some(headroom) = policy.headroom(signals, Signal::PidAvailable)
        {
            wait = wait.min(task_look(headroom, forecast.rate(Signal::PidAvailable)));
        }
        let met = Signal::ALL.into_iter().any(|signal| {
            signals.get(signal).is_some() && policy.headroom(signals, signal) == Some(0)
        });
        if met {
            wait = wait.min(WHILE_MET);
        }
        self.look = now.after(wait);
    }
}

#[cfg(test)]
mod tests {
    use evictd_core::{EvictionMaps, SignalObservation};

    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_nanos(millis * 1_000_000)
    }

    const ALL: Probed = Probed { writes: true, tasks: true };

    fn policy() -> Policy {
        let mut maps = EvictionMaps::default();
        maps.hard.insert("allocatableMemory.available".into(), "100Mi".into());
        maps.hard.insert("nodefs.available".into(), "100Mi".into());
        maps.hard.insert("pid.available".into(), "1000".into());
        Policy::parse(&maps).unwrap()
    }

    fn signals(memory: i64, disk: i64) -> NodeSignals {
        let mut signals = NodeSignals::default();
        let seen = |mib: i64| {
            Some(SignalObservation { available: mib << 20, capacity: 1 << 40, at: None })
        };
        signals.set(Signal::AllocatableMemoryAvailable, seen(memory));
        signals.set(Signal::NodefsAvailable, seen(disk));
        signals
    }

    #[test]
    fn looks_become_rarer_with_headroom() {
        let cases = [
            ("plenty", 100_000, 100_000, 1000),
            ("1 GiB of headroom", 1124, 100_000, 250),
            ("nearly there", 101, 100_000, 5),
            ("memory met", 99, 100_000, 5),
            ("disk met", 100_000, 99, 10),
        ];
        for (name, memory, disk, wait) in cases {
            let mut schedule = Schedule::new(at(0), ALL);
            schedule.ticked(at(0));
            schedule.looked(&policy(), &Forecast::default(), &signals(memory, disk), at(0));
            assert_eq!(schedule.next().since(at(0)).as_millis(), wait, "{name}");
        }
    }

    #[test]
    fn disks_are_looked_at_by_rate_where_writes_are_not_probed() {
        for (writes, wait) in [(true, 1000), (false, 250)] {
            let mut schedule = Schedule::new(at(0), Probed { writes, ..ALL });
            schedule.ticked(at(0));
            schedule.looked(&policy(), &Forecast::default(), &signals(100_000, 1124), at(0));
            assert_eq!(schedule.next().since(at(0)).as_millis(), wait);
        }
    }

    #[test]
    fn tasks_are_looked_at_by_rate_where_forks_are_not_probed() {
        let mut signals = signals(100_000, 100_000);
        let left = SignalObservation { available: 21_000, capacity: 32_768, at: None };
        signals.set(Signal::PidAvailable, Some(left));
        for (tasks, wait) in [(true, 1000), (false, 100)] {
            let mut schedule = Schedule::new(at(0), Probed { tasks, ..ALL });
            schedule.ticked(at(0));
            schedule.looked(&policy(), &Forecast::default(), &signals, at(0));
            assert_eq!(schedule.next().since(at(0)).as_millis(), wait);
        }
    }

    #[test]
    fn look_now_waits_for_the_gap() {
        let mut schedule = Schedule::new(at(0), ALL);
        schedule.ticked(at(0));
        schedule.looked(&policy(), &Forecast::default(), &signals(100_000, 100_000), at(100));
        assert_eq!(schedule.heed(Wake::by_clock(WokenBy::MemoryEvent), at(102)), None);
        assert_eq!((schedule.next(), schedule.due(at(104))), (at(105), None));
        assert_eq!(schedule.due(at(105)), Some(Wake::by_clock(WokenBy::Look)));
        let wake = Wake::by_clock(WokenBy::MemoryEvent);
        assert_eq!(schedule.heed(wake, at(105)), Some(wake));
    }

    #[test]
    fn what_was_put_off_is_the_reason_of_the_next_look() {
        let wake = |by, event| Wake { by, event_ns: Some(event) };
        let look = Wake::by_clock(WokenBy::Look);
        let (first, second) = (wake(WokenBy::MemoryEvent, 1), wake(WokenBy::MemoryEvent, 2));
        let (reclaim, tripwire) = (wake(WokenBy::Reclaim, 3), wake(WokenBy::Tripwire, 4));
        let cases: [(&str, &[Wake], Wake, Wake); 6] = [
            ("nothing", &[], look, look),
            ("an event", &[first], look, first),
            ("the first counts", &[first, second], look, first),
            ("the more urgent counts", &[first, reclaim, second], look, reclaim),
            ("also on a tick", &[first], Wake::by_clock(WokenBy::Tick), first),
            ("what wakes now is more urgent", &[first], tripwire, tripwire),
        ];
        for (name, put_off, now, expected) in cases {
            let mut schedule = Schedule::new(at(100), ALL);
            for wake in put_off {
                assert_eq!(schedule.heed(*wake, at(102)), None, "{name}");
            }
            assert_eq!(schedule.reason(now), expected, "{name}");
            schedule.looked(&policy(), &Forecast::default(), &signals(100_000, 100_000), at(105));
            assert_eq!(schedule.reason(look), look, "{name}: not twice");
        }
    }

    #[test]
    fn the_tick_is_told_from_a_look() {
        let mut schedule = Schedule::new(at(0), ALL);
        schedule.ticked(at(0));
        assert!(!schedule.is_tick(at(999)));
        assert!(schedule.is_tick(at(1000)));
    }
}
