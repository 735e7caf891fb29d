//! One evicted pod of which the API server does not know yet, or may not know any more.

use std::{sync::Arc, time::Duration};

use evictd_core::{EvictionId, MonoTime, Outcome::Refused};
use tracing::info;

use crate::{
    actuate::{EmptiedWatch, KillError, Killed, is_exempt, kill},
    cluster::outbox::Notice,
    pods::{Pod, PodIndex},
    run::{
        record::{KilledAgain, PodName},
        told::outcome_name,
    },
};

/// What is found in a pod that has not been seen empty may be what was killed, for this long. Then it is
/// killed again, in case it is not: at first, doubled each time, at most.
pub(super) const DYING: Duration = Duration::from_secs(2);
const DYING_AT_MOST: Duration = Duration::from_secs(16);
/// Once the API server has the status, the kubelet ends the pod; this is how long that may take to come
/// back to evictd.
const KNOWN: Duration = Duration::from_secs(60);

/// A pod of which the API server has the status, and that it tells as unfinished so much later, has another
/// status again; the next time after twice that, at most. Told so often in vain it is left alone.
const TAKEN_BACK: Duration = Duration::from_secs(2);
const TAKEN_BACK_AT_MOST: Duration = Duration::from_secs(30);
pub(super) const TELLINGS: u32 = 12;

/// One of them.
#[derive(Debug)]
pub(super) struct Victim {
    /// What the API server is told of it.
    pub(super) notice: Arc<Notice>,
    /// Until then what is in its cgroup may be what was killed.
    dying_until: MonoTime,
    /// How long that is after the next kill.
    dying: Duration,
    /// The API server has the status; the end of it.
    pub(super) until: Option<MonoTime>,
    /// Then it should no longer be told as unfinished.
    finished_by: Option<MonoTime>,
    /// How often the API server has taken the status.
    tellings: u32,
    kills: u32,
    pub(super) since: MonoTime,
    /// It has been in the index: if it no longer is, it has ended.
    pub(super) listed: bool,
}

impl Victim {
    /// A pod that is dying until then.
    pub(super) const fn new(notice: Arc<Notice>, dying_until: MonoTime, now: MonoTime) -> Self {
        Self {
            notice,
            dying_until,
            dying: DYING,
            until: None,
            finished_by: None,
            tellings: 0,
            kills: 0,
            since: now,
            listed: false,
        }
    }

    /// Nothing runs in it: what is found later was started anew.
    pub(super) const fn emptied(&mut self) {
        self.dying_until = MonoTime::from_nanos(0);
        self.dying = DYING;
    }

    /// The API server has taken the status.
    pub(super) fn told(&mut self, now: MonoTime) {
        self.until = Some(now.after(KNOWN));
        let wait = TAKEN_BACK.saturating_mul(1 << self.tellings.min(16));
        self.finished_by = Some(now.after(wait.min(TAKEN_BACK_AT_MOST)));
        self.tellings += 1;
    }

    /// What to tell again, if `is_unfinished` for the API server though it should not be.
    pub(super) fn taken_back(&mut self, is_unfinished: bool, now: MonoTime) -> Option<Arc<Notice>> {
        let due = self.finished_by.is_some_and(|by| by <= now);
        if !(is_unfinished && due && self.tellings < TELLINGS) {
            return None;
        }
        (self.until, self.finished_by) = (None, None);
        let Notice { namespace, pod, .. } = &*self.notice;
        info!("{namespace}/{pod}: its status was taken back and is told again");
        Some(self.notice.clone())
    }

    /// Kills what has been started in it.
    pub(super) fn look(
        &mut self,
        pod: &Pod,
        index: &PodIndex,
        now: MonoTime,
    ) -> Option<KilledAgain> {
        if pod.cgroup().is_none_or(|cgroup| EmptiedWatch::new(cgroup).is_empty()) {
            self.emptied();
            return None;
        }
        if now < self.dying_until {
            return None;
        }
        let killed = kill_again(pod, index);
        if killed.is_ok() {
            self.kills += 1;
            self.dying_until = now.after(self.dying);
            self.dying = (self.dying * 2).min(DYING_AT_MOST);
        } else {
            self.dying_until = now.after(DYING_AT_MOST);
        }
        let facts = pod.facts();
        Some(KilledAgain {
            name: PodName { namespace: facts.namespace.clone(), pod: facts.name.clone() },
            uid: facts.id.uid.clone(),
            kills: self.kills,
            method: killed.as_ref().ok().map(|killed| killed.method.name()),
            outcome: match &killed {
                Ok(_) => "killed",
                Err(error) => outcome_name(&Refused { id: EvictionId(0), reason: error.reason() }),
            },
            detail: killed.err().map(|error| error.to_string()),
        })
    }
}

/// As the interpreter kills; beside that a pod of which the object is not known now, unless evictd runs in
/// it: it was known when it was decided about.
fn kill_again(pod: &Pod, index: &PodIndex) -> Result<Killed, KillError> {
    let target = &pod.facts().id;
    if pod.is_own() || (pod.record().is_listed && is_exempt(pod)) {
        return Err(KillError::Protected);
    }
    kill(pod, target, index.tree(), false).map(|(killed, _)| killed)
}
