//! One snapshot after the other.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{Args, own::OwnProbes, rates, snapshot::Snapshot, soon::Soon};
use crate::state::{AskError, Reading, ask};

/// Where readings come from.
enum Place {
    Agent(PathBuf),
    Own(Box<OwnProbes>),
}

/// Takes readings at an even pace.
pub struct Watch {
    place: Place,
    interval: Duration,
    last: Option<(Reading, Instant)>,
    soon: Soon,
}

impl Watch {
    /// Asks the evictd that runs; without one, loads the probes.
    ///
    /// # Errors
    /// Bad input; an evictd that is there and does not answer; a machine without cgroups.
    pub fn open(args: &Args) -> anyhow::Result<Self> {
        let (place, last) = match ask(&args.socket) {
            Ok(reading) => (Place::Agent(args.socket.clone()), Some((reading, Instant::now()))),
            Err(AskError::Nobody(_)) => (Place::Own(Box::new(OwnProbes::open(args)?)), None),
            Err(error) => {
                let message = format!("{}: {error}", args.socket.display());
                return Err(anyhow::anyhow!(message));
            }
        };
        Ok(Self { place, interval: args.interval, last, soon: Soon::default() })
    }

    /// Waits for the end of the interval and gives what happened in it.
    pub fn next(&mut self) -> anyhow::Result<Snapshot> {
        let (before, at) = match self.last.take() {
            Some(last) => last,
            None => (self.read()?, Instant::now()),
        };
        thread::sleep(self.interval.saturating_sub(at.elapsed()));
        let at = Instant::now();
        let now = self.read()?;
        let mut snapshot = rates::snapshot(&before, &now);
        snapshot.soon = self.soon.after(&before, &now);
        self.last = Some((now, at));
        Ok(snapshot)
    }

    fn read(&mut self) -> anyhow::Result<Reading> {
        match &mut self.place {
            Place::Agent(socket) => {
                ask(socket).map_err(|error| anyhow::anyhow!("{}: {error}", socket.display()))
            }
            Place::Own(own) => Ok(own.read()),
        }
    }
}
