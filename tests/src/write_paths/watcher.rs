//! The rungs, each loaded on its own, all at the same time: every one sees the very same writes.

use std::{borrow::Cow, slice};

use anyhow::{Context as _, Result};
use aya::Ebpf;
use evictd::probe::{Counters, FsKind, LADDER, LoadOptions, Rung, load};

use super::finding::Measure;

/// One rung of one family, attached.
pub(super) struct Watcher {
    pub(super) measure: Measure,
    pub(super) rung: Cow<'static, str>,
    counters: Counters,
    /// Its programs stay attached as long as this lives.
    _programs: Ebpf,
}

/// A rung that this kernel refuses.
pub(super) struct Refusal {
    pub(super) measure: Measure,
    pub(super) rung: Cow<'static, str>,
    pub(super) reason: String,
}

/// Loads every rung that counts on a filesystem of that kind.
pub(super) fn watchers(kind: FsKind) -> Result<(Vec<Watcher>, Vec<Refusal>)> {
    let (mut watchers, mut refusals) = (Vec::new(), Vec::new());
    for measure in Measure::ALL {
        for rung in rungs(*measure) {
            match Watcher::load(*measure, rung, kind)? {
                Ok(watcher) => watchers.push(watcher),
                Err(reason) => {
                    let rung = Cow::Borrowed(rung.name);
                    refusals.push(Refusal { measure: *measure, rung, reason });
                }
            }
        }
    }
    Ok((watchers, refusals))
}

/// The rungs of the family that counts this, best first.
pub(super) fn rungs(measure: Measure) -> &'static [Rung] {
    let found = LADDER.iter().find(|(family, _)| *family == measure.family());
    found.map_or(&[], |(_, rungs)| *rungs)
}

impl Watcher {
    fn load(measure: Measure, rung: &'static Rung, kind: FsKind) -> Result<Result<Self, String>> {
        let only = [(measure.family(), slice::from_ref(rung))];
        let options = LoadOptions { ladder: &only, filesystems: &[kind], ..LoadOptions::default() };
        let (mut programs, mut standings) = load(options).context("loading the probes")?;
        let standing = standings.pop().context("no standing")?;
        if standing.rung.is_none() {
            let reason = standing.refused.into_iter().next().map(|refused| refused.reason);
            return Ok(Err(reason.unwrap_or_else(|| "refused".to_owned())));
        }
        let counters = Counters::take(&mut programs)?;
        let rung = Cow::Borrowed(rung.name);
        Ok(Ok(Self { measure, rung, counters, _programs: programs }))
    }

    /// Watches a filesystem, each with a tripwire's `slot` of its own.
    pub(super) fn watch(&mut self, dev: u32, slot: u32) -> Result<()> {
        Ok(self.counters.watch(dev, slot)?)
    }

    /// Bytes that a cgroup has written, or now holds, on these filesystems.
    pub(super) fn reported(&self, cgroup: u64, devs: &[u32]) -> i64 {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let on = |dev: &u32| match self.measure {
            Measure::Bytes => self.counters.writes(cgroup, *dev).map_or(0, |w| signed(w.bytes)),
            Measure::Space => self
                .counters
                .space(cgroup, *dev)
                .map_or(0, |space| signed(space.grown) - signed(space.released)),
        };
        devs.iter().map(on).sum()
    }
}
