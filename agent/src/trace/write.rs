//! Writing a trace.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
};

use evictd_core::{MonoTime, Observation, PodFacts, PodObservation, PodRef};
use serde::Serialize;

use super::{
    Entry, Event, Header,
    wire::{At, Line, SeenNode, SeenPod},
};

/// Pods that are gone are forgotten once there are this many of them.
const GONE_PODS: usize = 256;

/// Writes entries as lines, each pod's facts once.
pub struct Writer<W> {
    out: W,
    pods: BTreeMap<PodRef, (usize, Arc<PodFacts>)>,
    numbers: usize,
}

impl<W: Write> Writer<W> {
    /// Begins a trace.
    pub fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, pods: BTreeMap::new(), numbers: 0 };
        writer.line(header)?;
        Ok(writer)
    }

    /// Writes one entry, and before it the facts it needs.
    pub fn write(&mut self, Entry { now, event }: Entry) -> io::Result<()> {
        let line = match event {
            Event::Observation(observation) => {
                Line::Observation(self.observation(now, *observation)?)
            }
            Event::Outcome(outcome) => Line::Outcome(At { now, what: outcome }),
            Event::Timeout => Line::Timeout { now },
            Event::Policy(policy) => Line::Policy { now, policy },
            Event::Command(command) => Line::Command(At { now, what: command }),
        };
        self.line(&line)
    }

    /// Says that entries are missing here.
    pub fn missing(&mut self, entries: u64) -> io::Result<()> {
        self.line(&Line::Missing { entries })
    }

    /// Says that nothing more comes, and gives back what was written to.
    pub fn end(mut self, now: MonoTime) -> io::Result<W> {
        self.line(&Line::End { now })?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Sees to it that all of it is on its way.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn observation(&mut self, now: MonoTime, seen: Observation) -> io::Result<SeenNode> {
        let Observation { signals, usage_for, pods, summary, log_writes } = seen;
        self.forget_gone(&pods);
        let mut written = Vec::with_capacity(pods.len());
        for PodObservation { facts, usage, stats } in pods {
            written.push(SeenPod { pod: self.number(facts)?, usage, stats });
        }
        Ok(SeenNode { now, signals, usage_for, summary, pods: written, log_writes })
    }

    fn number(&mut self, facts: Arc<PodFacts>) -> io::Result<usize> {
        let known = self.pods.get(&facts.id);
        if let Some((number, known)) = known
            && (Arc::ptr_eq(known, &facts) || *known == facts)
        {
            return Ok(*number);
        }
        let number = self.numbers;
        self.numbers += 1;
        self.pods.insert(facts.id.clone(), (number, facts.clone()));
        self.line(&Line::Pod { number, facts })?;
        Ok(number)
    }

    fn forget_gone(&mut self, pods: &[PodObservation]) {
        if self.pods.len() > pods.len() + GONE_PODS {
            self.pods.retain(|id, _| pods.iter().any(|pod| pod.facts.id == *id));
        }
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}
