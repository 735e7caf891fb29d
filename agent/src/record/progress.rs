//! How far a recording is, for who watches it.

use std::io::{self, IsTerminal as _, Write as _};

use evictd_core::{Command, MonoTime};

use crate::trace::{Entry, Event, Listener};

/// Counts what goes into a trace.
#[derive(Debug, Default)]
pub(super) struct Progress {
    start: Option<MonoTime>,
    told: u64,
    looks: u64,
    pods: usize,
    evictions: u64,
}

impl Progress {
    /// Tells of it once a second on stderr where that is a terminal.
    pub(super) fn on_a_terminal() -> Listener {
        if !io::stderr().is_terminal() {
            return Box::new(|_| {});
        }
        let mut progress = Self::default();
        Box::new(move |entries| progress.take(entries))
    }

    fn take(&mut self, entries: &[Entry]) {
        for Entry { event, .. } in entries {
            match event {
                Event::Observation(seen) => {
                    self.looks += 1;
                    self.pods = seen.pods.len();
                }
                Event::Command(Command::Evict(_) | Command::EvictOverLimit(_)) => {
                    self.evictions += 1;
                }
                Event::Command(_) | Event::Outcome(_) | Event::Timeout | Event::Policy(_) => {}
            }
        }
        let Some(now) = entries.last().map(|entry| entry.now) else {
            return;
        };
        let seconds = now.since(*self.start.get_or_insert(now)).as_secs();
        if self.told == 0 || seconds >= self.told {
            self.told = seconds + 1;
            let Self { looks, pods, evictions, .. } = self;
            // A terminal that is gone is no reason to stop.
            let _ = write!(
                io::stderr(),
                "\r{seconds} s, {looks} looks, {pods} pods, {evictions} evictions decided\x1b[K"
            );
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.told > 0 {
            let _ = writeln!(io::stderr());
        }
    }
}
