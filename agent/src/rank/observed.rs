//! The pods to rank: this node's, or those of a trace.

use std::{path::Path, time::Duration};

use evictd_core::{MonoTime, Observation, Policy};

use super::Args;
use crate::{
    clock,
    config::{ConfigArgs, InputError},
    node::Node,
    run::{DiskUsages, kernel_dev_of},
    sample::{PodFigures, observe_pods},
    trace::{self, Event, Figures},
};

/// What is ranked, and by which policy.
pub(super) struct Observed {
    pub(super) policy: Policy,
    pub(super) observation: Observation,
    /// In a trace: since its start.
    pub(super) at: Option<Duration>,
}

/// Reads this node once: signals, and of every pod what the signal needs.
pub(super) fn now(args: &Args) -> anyhow::Result<Observed> {
    let sources = args.policy.sources.clone();
    let config = ConfigArgs { sources, pods: args.pods.clone() }.read()?;
    let Node { sampler, mut index, .. } = Node::open(&config)?;
    index.refresh();
    let figures = PodFigures::For(args.signal);
    let signals = sampler.signals(clock::now());
    let mut pods = Vec::new();
    observe_pods(&index, figures, config.policy.semantics, &mut pods);
    if figures.disk() {
        let mut disks =
            DiskUsages::patient(kernel_dev_of(sampler.nodefs()), sampler.logfs().is_some());
        disks.fill(&index, None, pods.iter_mut().map(|pod| &mut pod.usage));
    }
    let policy = Node::policy(&config, &sampler, false);
    let usage_for = Some(args.signal);
    let observation = Observation { signals, usage_for, pods, ..Observation::default() };
    Ok(Observed { policy, observation, at: None })
}

/// The last observation that has pods, up to `--at`, under the policy that was in force then.
pub(super) fn in_a_trace(path: &Path, args: &Args) -> anyhow::Result<Observed> {
    let trace = trace::open(path)?;
    let limit =
        args.at.and_then(|at| Duration::try_from_secs_f64(at).ok()).unwrap_or(Duration::MAX);
    let since = |now: MonoTime| now.since(trace.header.now);
    let all = trace.header.figures == Figures::All;
    let shows_pods =
        |seen: &Observation| !seen.pods.is_empty() && (all || seen.usage_for.is_some());
    let mut recorded = &trace.header.policy;
    let mut found = None;
    for entry in trace.entries.iter().take_while(|entry| since(entry.now) <= limit) {
        match &entry.event {
            Event::Policy(policy) => recorded = policy,
            Event::Observation(seen) if shows_pods(seen) => {
                found = Some((since(entry.now), seen));
            }
            Event::Observation(_) | Event::Outcome(_) | Event::Timeout | Event::Command(_) => {}
        }
    }
    let Some((at, seen)) = found else {
        let problem = "no observation up to then has pods".to_owned();
        return Err(InputError::in_file(path, problem).into());
    };
    let policy = args.policy.instead_of(recorded)?;
    Ok(Observed { policy, observation: (**seen).clone(), at: Some(at) })
}
