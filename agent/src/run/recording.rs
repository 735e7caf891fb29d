//! A trace of a run.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use evictd_core::{Evaluator, MonoTime, Policy};

use crate::{
    config::Mode,
    trace::{Figures, Header, Listener, Recorder, Traced},
};

/// How a run is recorded.
pub(crate) struct Recording {
    /// Where to.
    out: Box<dyn Write + Send>,
    /// Which pod figures are read, and so recorded.
    pub(super) figures: Figures,
    /// Shown every entry.
    pub(crate) listener: Listener,
    /// After how long the run ends by itself.
    pub(crate) lasts: Option<Duration>,
}

impl Recording {
    /// Until it is told to stop.
    pub(crate) fn new(out: Box<dyn Write + Send>, figures: Figures) -> Self {
        Self { out, figures, listener: Box::new(|_| {}), lasts: None }
    }

    /// Into a new file.
    pub(crate) fn to(path: &Path, figures: Figures) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self::new(Box::new(file), figures))
    }

    /// The evaluator of a run that begins at `start`, traced.
    pub(super) fn begin(self, policy: Policy, mode: Mode, start: MonoTime) -> io::Result<Traced> {
        let header = Header::of_this_machine(mode, self.figures, policy.clone(), start);
        let recorder = Recorder::start(self.out, &header, self.listener)?;
        Ok(Traced::new(Evaluator::new(policy, start), recorder))
    }
}
