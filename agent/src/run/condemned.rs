//! Evicted pods of which the API server does not know yet: what is started in them is killed again.
//!
//! Until then the kubelet takes a killed container for one that crashed, and starts it again. It may also take
//! the status back, with one that it had computed before: then the API server is told once more.

mod victim;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evictd_core::{MonoTime, PodRef};
use tracing::warn;

use super::record::KilledAgain;
use crate::{
    actuate::Interpreter,
    cluster::outbox::{Matter, Notice, Outcome, Told},
    pods::PodIndex,
};
use victim::{DYING, Victim};

/// Pods looked after; each costs a look at its cgroup a [`CALM`].
const MOST: usize = 256;
/// How often they are looked at.
const CALM: Duration = Duration::from_secs(1);
/// The same for each eight of them while cgroups come and go: a container's cgroup is made before its first
/// process is in it.
const EAGER: Duration = Duration::from_millis(10);
/// For how long.
const STIRRED: Duration = Duration::from_secs(3);
/// After a start it may take this long to learn which pods there are.
const UNLISTED: Duration = Duration::from_secs(600);

/// What was found and done.
#[derive(Debug, Default)]
pub struct Looked {
    /// What had been started in them.
    pub killed: Vec<KilledAgain>,
    /// What the API server has to be told again.
    pub taken_back: Vec<Arc<Notice>>,
}

/// The pods that were evicted and may come back, by uid.
#[derive(Debug, Default)]
pub struct Condemned {
    victims: BTreeMap<Arc<str>, Victim>,
    looked: MonoTime,
    eager_until: MonoTime,
}

impl Condemned {
    /// Looks after a pod that is dying, by the end of `grace` at the latest.
    pub fn add(&mut self, notice: Arc<Notice>, grace: Duration, now: MonoTime) {
        let dying_until = now.after(grace).after(DYING);
        self.insert(notice, dying_until, now);
    }

    /// Looks after a pod that an earlier evictd killed.
    pub fn add_dead(&mut self, notice: Arc<Notice>, now: MonoTime) {
        self.insert(notice, now, now);
    }

    fn insert(&mut self, notice: Arc<Notice>, dying_until: MonoTime, now: MonoTime) {
        if self.victims.len() >= MOST
            && let Some((uid, _)) = self.victims.iter().min_by_key(|(_, victim)| victim.since)
        {
            let uid = uid.clone();
            warn!(
                "{MOST} evicted pods are waiting to be known; {uid} is not looked after any longer"
            );
            self.victims.remove(&uid);
        }
        let uid = notice.uid.clone();
        self.victims.insert(uid, Victim::new(notice, dying_until, now));
    }

    /// Its cgroup has been seen without a task: what is in it later was started anew.
    pub fn emptied(&mut self, pod: &PodRef) {
        if let Some(victim) = self.victims.get_mut(&pod.uid) {
            victim.emptied();
        }
    }

    /// The API server's answer.
    pub fn told(&mut self, told: &Told, now: MonoTime) {
        if told.matter != Matter::Status {
            return;
        }
        match told.outcome {
            Outcome::Accepted | Outcome::AlreadyTold => {
                if let Some(victim) = self.victims.get_mut(&told.uid) {
                    victim.told(now);
                }
            }
            // There is no such pod, or it will never be known as evicted: to kill it for ever helps nobody.
            Outcome::Gone | Outcome::AnotherPod | Outcome::Refused | Outcome::Dropped => {
                self.victims.remove(&told.uid);
            }
        }
    }

    /// A cgroup came or went: there may be a new process soon.
    pub fn stir(&mut self, now: MonoTime) {
        self.eager_until = now.after(STIRRED);
    }

    /// When to look next.
    pub fn next(&self) -> Option<MonoTime> {
        let eager = EAGER * u32::try_from(1 + self.victims.len() / 8).unwrap_or(u32::MAX);
        let is_eager = self.looked <= self.eager_until;
        let next = self.looked.after(if is_eager { eager.min(CALM) } else { CALM });
        (!self.victims.is_empty()).then_some(next)
    }

    /// Kills what has been started in them, if it is time. Addressed as every kill: a pod whose cgroup is another one
    /// now, or that has left the index because it has ended, is let go. In mode observe nothing is killed or told.
    pub fn look(&mut self, interpreter: Interpreter, index: &PodIndex, now: MonoTime) -> Looked {
        let mut looked = Looked::default();
        if self.next().is_none_or(|next| now < next) {
            return looked;
        }
        self.looked = now;
        self.victims.retain(|uid, victim| {
            let Some(pod) = index.by_uid(uid) else {
                return !victim.listed && now < victim.since.after(UNLISTED);
            };
            victim.listed = true;
            let is_same = pod.facts().id.cgroup_inode == victim.notice.cgroup_inode;
            if !is_same || victim.until.is_some_and(|until| until <= now) {
                return false;
            }
            if interpreter == Interpreter::Enforce {
                looked.killed.extend(victim.look(pod, index, now));
                looked.taken_back.extend(victim.taken_back(pod.record().is_listed, now));
            }
            true
        });
        looked
    }
}

#[cfg(test)]
mod tests;
