//! What the node frees before a pod is evicted for a disk (L-17), from the control loop's side: who is
//! asked, and until when an eviction waits for it.
//!
//! The kill path waits for nothing but the kernel, so an eviction waits only as long as waiting is
//! cheap: never past the deadline, and no longer once the disk has lost a tenth of what was left, or 64
//! MiB. A disk that fills in seconds so hardly notices, and one that fills in minutes loses no pod that
//! an image could have saved. The runtime goes on with its order all the same.

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use evictd_core::{
    MonoTime, NodeSignals, PodObservation, Policy, ReclaimStep, Resource, Semantics, Signal,
    Threshold,
};
use serde::Serialize;

use crate::{
    config::ReclaimSettings,
    runtime::{Freed, Goal, Order, Reclaimed, RuntimeThread, Told},
};

/// A wait may cost one part in so many of what is left,
const COSTLY: i64 = 10;
/// and no more bytes than this.
const COSTLY_BYTES: i64 = 64 << 20;
/// After an order that the runtime did not answer in time, evictions do not wait for it this long.
const HUSH: Duration = Duration::from_secs(30);

/// How an order to free something ended for the eviction that it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReclaimEnd {
    /// It was carried out.
    Done,
    /// Its deadline passed.
    Deadline,
    /// Too much of the disk was filled meanwhile.
    Filling,
    /// Waiting is not wanted, or nothing is left to wait with.
    NotAwaited,
    /// The runtime is still at an earlier order, or did not answer lately.
    Busy,
    /// There is no runtime, or it cannot be reached.
    Unreachable,
}

/// What is asked for, and of which node.
pub struct Request<'a> {
    /// The signal that crossed.
    pub signal: Signal,
    /// What may go.
    pub steps: &'static [ReclaimStep],
    /// By which thresholds enough is reckoned.
    pub policy: &'a Policy,
    /// The node now.
    pub signals: &'a NodeSignals,
    /// The pods that were looked at.
    pub pods: &'a [PodObservation],
    /// A path on the signal's filesystem.
    pub path: Option<PathBuf>,
    /// Where containers' logs lie.
    pub pod_logs_dir: PathBuf,
    /// Younger images stay.
    pub minimum_image_age: Duration,
    /// Only say what would go.
    pub pretend: bool,
    /// Whether and how long to wait.
    pub settings: ReclaimSettings,
}

/// An eviction waits for this order.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    number: u64,
    signal: Signal,
    until: MonoTime,
    /// Below this the wait has become too dear.
    least: i64,
}

/// The order that is carried out, or was last.
#[derive(Clone, Copy, Debug)]
struct Current {
    number: u64,
    signal: Signal,
    end: Option<ReclaimEnd>,
}

/// The orders to the runtime. One at a time.
pub struct NodeReclaims {
    runtime: Option<RuntimeThread>,
    is_reached: bool,
    was_reached: bool,
    /// Told before the loop began.
    heard: VecDeque<Told>,
    waiting: Option<Waiting>,
    /// The pods that the eviction was decided on, by which it is explained.
    pods: Vec<PodObservation>,
    current: Option<Current>,
    hushed_until: MonoTime,
    count: u64,
    /// How the last order for an eviction ended, to be told with that.
    ended: Option<(Signal, ReclaimEnd)>,
}

impl NodeReclaims {
    /// Through that thread, which has told `heard` already; `None`: there is nobody who could free
    /// anything.
    pub fn new(runtime: Option<RuntimeThread>, heard: Vec<Told>) -> Self {
        Self {
            runtime,
            is_reached: false,
            was_reached: heard.iter().any(|told| matches!(told, Told::Reached { .. })),
            heard: heard.into(),
            waiting: None,
            pods: Vec::new(),
            current: None,
            hushed_until: MonoTime::from_nanos(0),
            count: 0,
            ended: None,
        }
    }

    /// Asks for it. `Some`: the eviction does not wait, for this reason.
    pub fn begin(&mut self, request: Request<'_>, now: MonoTime) -> Option<ReclaimEnd> {
        let signal = request.signal;
        let end = self.hand_over(request, now);
        self.ended = end.map(|end| (signal, end));
        end
    }

    fn hand_over(&mut self, request: Request<'_>, now: MonoTime) -> Option<ReclaimEnd> {
        let Some(runtime) = self.runtime.as_ref().filter(|_| self.is_reached) else {
            return Some(ReclaimEnd::Unreachable);
        };
        if self.current.is_some() || now < self.hushed_until {
            return Some(ReclaimEnd::Busy);
        }
        let deadline = request.settings.deadline;
        let left = request.signals.get(request.signal).map_or(0, |seen| seen.available);
        let number = self.count + 1;
        let signal = request.signal;
        let order = Order {
            number,
            goal: goal(&request),
            steps: request.steps,
            pod_logs_dir: request.pod_logs_dir,
            minimum_image_age: request.minimum_image_age,
            pretend: request.pretend,
        };
        if !runtime.order(order) {
            return Some(ReclaimEnd::Busy);
        }
        self.count = number;
        let hasty = deadline.is_zero() || left <= 0;
        let end = hasty.then_some(ReclaimEnd::NotAwaited);
        self.current = Some(Current { number, signal, end });
        if hasty {
            return end;
        }
        request.pods.clone_into(&mut self.pods);
        let least = left - dear(signal, left);
        self.waiting = Some(Waiting { number, signal, until: now.after(deadline), least });
        None
    }

    /// What the runtime tells next. Can be dropped without losing anything.
    pub async fn told(&mut self) -> Told {
        if let Some(told) = self.heard.pop_front() {
            return told;
        }
        match &mut self.runtime {
            Some(runtime) => runtime.told().await,
            None => std::future::pending().await,
        }
    }

    /// Takes note of whether it can be reached.
    pub const fn reached(&mut self, is_reached: bool) {
        self.is_reached = is_reached;
        self.was_reached |= is_reached;
    }

    /// Whether it could be reached at any time.
    pub const fn was_reached(&self) -> bool {
        self.was_reached
    }

    /// An order was carried out. Gives the signal it was for and how it had ended for the eviction;
    /// that one may go on now if it still waits (see [`Self::settle`]).
    pub fn done(&mut self, done: &Reclaimed, now: MonoTime) -> Option<(Signal, ReclaimEnd)> {
        if done.is_silent {
            self.hushed_until = now.after(HUSH);
        }
        let current = self.current.take_if(|current| current.number == done.number)?;
        if let Some(waiting) = self.waiting.as_mut().filter(|w| w.number == done.number) {
            waiting.until = now;
            self.ended = Some((waiting.signal, ReclaimEnd::Done));
        }
        Some((current.signal, current.end.unwrap_or(ReclaimEnd::Done)))
    }

    /// When the eviction that waits is to go on, once: the pods that it was decided on.
    pub fn settle(&mut self, signals: &NodeSignals, now: MonoTime) -> Option<Vec<PodObservation>> {
        let waiting = self.waiting?;
        let left = signals.get(waiting.signal).map(|seen| seen.available);
        let end = match self.ended {
            Some((_, ReclaimEnd::Done)) => ReclaimEnd::Done,
            _ if now >= waiting.until => ReclaimEnd::Deadline,
            _ if left.is_some_and(|left| left < waiting.least) => ReclaimEnd::Filling,
            _ => return None,
        };
        self.waiting = None;
        self.ended = Some((waiting.signal, end));
        if let Some(current) = &mut self.current {
            current.end = Some(end);
        }
        Some(std::mem::take(&mut self.pods))
    }

    /// When [`Self::settle`] has to be asked at the latest.
    pub fn next_check(&self) -> Option<MonoTime> {
        self.waiting.map(|waiting| waiting.until)
    }

    /// How the order for `signal` ended, for the eviction that follows it.
    pub fn take_end(&mut self, signal: Signal) -> Option<ReclaimEnd> {
        self.ended.take_if(|(of, _)| *of == signal).map(|(_, end)| end)
    }
}

/// How much of what is `left` a wait may cost.
fn dear(signal: Signal, left: i64) -> i64 {
    match signal.resource() {
        Resource::Inodes => left / COSTLY,
        Resource::EphemeralStorage | Resource::Memory | Resource::Pids => {
            (left / COSTLY).min(COSTLY_BYTES)
        }
    }
}

/// In strict semantics as much as the threshold that is acted on asks for, minimum reclaim included: a
/// hard one if any is met, else the soft one that asks for most. The kubelet frees everything (L-24).
fn goal(request: &Request<'_>) -> Goal {
    let Request { signal, policy, signals, path, .. } = request;
    let (Semantics::Strict, Some(path), Some(seen)) =
        (policy.semantics, path, signals.get(*signal))
    else {
        return Goal::Everything;
    };
    let met = |threshold: &&Threshold| threshold.signal == *signal && threshold.is_unresolved(seen);
    let wanted =
        policy.thresholds.iter().filter(met).map(|threshold| {
            (threshold.is_hard(), threshold.quantity_with_min_reclaim(seen.capacity))
        });
    let available = wanted.max().map_or(seen.available, |(_, quantity)| quantity);
    Goal::Until { path: path.clone(), signal: *signal, available }
}

/// The record of one order.
#[derive(Debug, Serialize)]
pub struct NodeReclaim {
    /// The signal that crossed.
    pub signal: &'static str,
    /// `observe` (nothing was touched: what may go) or `enforce`.
    pub mode: &'static str,
    /// How it ended for the eviction that it was for.
    pub end: ReclaimEnd,
    /// How long it took.
    pub took_ms: u64,
    /// What went, in this order.
    pub freed: Vec<Freed>,
    /// What is available of the signal now.
    pub available: Option<i64>,
    /// What went wrong.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests;
