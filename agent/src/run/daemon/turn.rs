//! What the control loop waits for.

use std::{io, time::Duration};

use evictd_core::MonoTime;
use tokio::{
    signal::unix::{Signal as SignalStream, SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::{
    Daemon,
    cluster::{answered, changed},
};
use crate::{
    clock::now,
    cluster::evict::Answered,
    run::{inbox::Inbox, kernel::Kernel, schedule::Schedule},
    runtime::Told,
};

/// The shortest sleep.
const LEAST_WAIT: Duration = Duration::from_micros(200);

/// What is asked of evictd from outside.
pub(super) struct Signals {
    terminate: SignalStream,
    interrupt: SignalStream,
    hangup: SignalStream,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// How one turn of the loop ended.
pub(super) enum Turn {
    Stop,
    Reload,
    Records,
    Pods,
    Answered(Answered),
    Told(Told),
    Due,
}

impl Daemon {
    /// Waits for what is next. Records are in `inbox` then.
    pub(super) async fn turn(
        &mut self,
        signals: &mut Signals,
        due: MonoTime,
        inbox: &mut Inbox,
    ) -> io::Result<Turn> {
        Ok(tokio::select! {
            biased;
            _ = signals.terminate.recv() => Turn::Stop,
            _ = signals.interrupt.recv() => Turn::Stop,
            () = until(self.ends.unwrap_or_default()), if self.ends.is_some() => Turn::Stop,
            _ = signals.hangup.recv() => Turn::Reload,
            told = self.reclaims.told() => Turn::Told(told),
            result = records(self.kernel.as_mut(), inbox) => {
                result?;
                Turn::Records
            }
            () = changed(self.pods.as_ref()) => Turn::Pods,
            answer = answered(self.evictor.as_mut()) => Turn::Answered(answer),
            () = until(due) => Turn::Due,
        })
    }

    /// When the loop must turn at the latest.
    pub(super) fn due(&self, schedule: &Schedule) -> MonoTime {
        let evaluator = self.evaluator.poll_timeout();
        let victims = self.evictions.next_check();
        let events = self.memory_events.next();
        let reclaim = self.reclaims.next_check();
        let due = [Some(schedule.next()), evaluator, victims, events, reclaim];
        due.into_iter().flatten().min().unwrap_or_default()
    }
}

/// Waits for records; forever without probes.
async fn records(kernel: Option<&mut Kernel>, inbox: &mut Inbox) -> io::Result<()> {
    match kernel {
        Some(kernel) => kernel.records(|record| inbox.take(record)).await,
        None => std::future::pending().await,
    }
}

/// Never returns at once, so that a due time that stays in the past cannot spin the loop.
async fn until(due: MonoTime) {
    let wait: Duration = due.since(now()).max(LEAST_WAIT);
    sleep_until(Instant::now() + wait).await;
}
