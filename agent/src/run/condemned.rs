//! Evicted pods of which the API server does not know yet: what is started in them is killed again.
//!
//! Until then the kubelet takes a killed container for one that crashed, and starts it again. It may also take
//! the status back, with one that it had computed before: then the API server is told once more.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evictd_core::{EvictionId, MonoTime, Outcome::Refused, PodRef};
use tracing::{info, warn};

use super::record::{KilledAgain, PodName};
use crate::{
    actuate::{EmptiedWatch, Interpreter, KillError, Killed, is_exempt, kill},
    cluster::outbox::{Matter, Notice, Outcome, Told},
    pods::{Pod, PodIndex},
    run::told::outcome_name,
};

/// Pods looked after; each costs a look at its cgroup a [`CALM`].
const MOST: usize = 256;
/// What is found in a pod that has not been seen empty may be what was killed, for this long. Then it is
/// killed again, in case it is not: at first, doubled each time, at most.
const DYING: Duration = Duration::from_secs(2);
const DYING_AT_MOST: Duration = Duration::from_secs(16);
/// How often they are looked at.
const CALM: Duration = Duration::from_secs(1);
/// The same for each eight of them while cgroups come and go: a container's cgroup is made before its first
/// process is in it.
const EAGER: Duration = Duration::from_millis(10);
/// For how long.
const STIRRED: Duration = Duration::from_secs(3);
/// Once the API server has the status, the kubelet ends the pod; this is how long that may take to come
/// back to evictd.
const KNOWN: Duration = Duration::from_secs(60);

/// A pod of which the API server has the status, and that it tells as unfinished so much later, has another
/// status again; the next time after twice that, at most. Told so often in vain it is left alone.
const TAKEN_BACK: Duration = Duration::from_secs(2);
const TAKEN_BACK_AT_MOST: Duration = Duration::from_secs(30);
const TELLINGS: u32 = 12;

/// After a start it may take this long to learn which pods there are.
const UNLISTED: Duration = Duration::from_secs(600);

/// One of them.
#[derive(Debug)]
struct Victim {
    /// What the API server is told of it.
    notice: Arc<Notice>,
    /// Until then what is in its cgroup may be what was killed.
    dying_until: MonoTime,
    /// How long that is after the next kill.
    dying: Duration,
    /// The API server has the status; the end of it.
    until: Option<MonoTime>,
    /// Then it should no longer be told as unfinished.
    finished_by: Option<MonoTime>,
    /// How often the API server has taken the status.
    tellings: u32,
    kills: u32,
    since: MonoTime,
    /// It has been in the index: if it no longer is, it has ended.
    listed: bool,
}

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
        let victim = Victim {
            notice,
            dying_until,
            dying: DYING,
            until: None,
            finished_by: None,
            tellings: 0,
            kills: 0,
            since: now,
            listed: false,
        };
        self.victims.insert(uid, victim);
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
                    victim.until = Some(now.after(KNOWN));
                    let wait = TAKEN_BACK.saturating_mul(1 << victim.tellings.min(16));
                    victim.finished_by = Some(now.after(wait.min(TAKEN_BACK_AT_MOST)));
                    victim.tellings += 1;
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

impl Victim {
    const fn emptied(&mut self) {
        self.dying_until = MonoTime::from_nanos(0);
        self.dying = DYING;
    }

    /// What to tell again, if `is_unfinished` for the API server though it should not be.
    fn taken_back(&mut self, is_unfinished: bool, now: MonoTime) -> Option<Arc<Notice>> {
        let due = self.finished_by.is_some_and(|by| by <= now);
        if !(is_unfinished && due && self.tellings < TELLINGS) {
            return None;
        }
        (self.until, self.finished_by) = (None, None);
        let Notice { namespace, pod, .. } = &*self.notice;
        info!("{namespace}/{pod}: its status was taken back and is told again");
        Some(self.notice.clone())
    }

    fn look(&mut self, pod: &Pod, index: &PodIndex, now: MonoTime) -> Option<KilledAgain> {
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

#[cfg(test)]
mod tests {
    use evictd_core::EvictionReport;

    use super::*;

    fn pod(n: u64) -> Arc<Notice> {
        let pod = PodRef { uid: format!("u{n}").into(), cgroup_inode: n };
        let report = EvictionReport {
            message: String::new(),
            annotations: Vec::new(),
            disruption_target: true,
        };
        Arc::new(Notice::new(&pod, "n".into(), "p".into(), report))
    }

    fn told(matter: Matter, outcome: Outcome) -> Told {
        let (namespace, pod, uid) = ("n".into(), "p".into(), "u1".into());
        Told { matter, namespace, pod, uid, outcome, attempts: 1, took_ms: 1, detail: None }
    }

    const fn at(seconds: u64) -> MonoTime {
        MonoTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_pod_is_looked_after_until_the_api_server_has_answered() {
        let cases = [
            ("an event is no status", Matter::Event, Outcome::Gone, Some(None)),
            ("the kubelet has a minute", Matter::Status, Outcome::Accepted, Some(Some(at(70)))),
            ("no such pod", Matter::Status, Outcome::Gone, None),
            ("another pod", Matter::Status, Outcome::AnotherPod, None),
            ("never known", Matter::Status, Outcome::Refused, None),
            ("no room", Matter::Status, Outcome::Dropped, None),
        ];
        for (name, matter, outcome, expected) in cases {
            let mut condemned = Condemned::default();
            condemned.add(pod(1), Duration::ZERO, at(5));
            condemned.told(&told(matter, outcome), at(10));
            let until = condemned.victims.values().map(|victim| victim.until).next();
            assert_eq!(until, expected, "{name}");
        }
    }

    #[test]
    fn a_status_that_was_taken_back_is_told_again_later_each_time() {
        let mut condemned = Condemned::default();
        condemned.add(pod(1), Duration::ZERO, at(5));
        let taken_back = |condemned: &mut Condemned, is_unfinished, now| {
            let victim = condemned.victims.get_mut("u1").unwrap();
            victim.taken_back(is_unfinished, at(now)).is_some()
        };
        let accepted = told(Matter::Status, Outcome::Accepted);
        assert!(!taken_back(&mut condemned, true, 9), "not taken yet");
        condemned.told(&accepted, at(10));
        assert!(!taken_back(&mut condemned, true, 11), "it may not have heard of it");
        assert!(!taken_back(&mut condemned, false, 12), "finished");
        assert!(taken_back(&mut condemned, true, 12));
        assert!(!taken_back(&mut condemned, true, 99), "being told");
        condemned.told(&accepted, at(100));
        assert!(!taken_back(&mut condemned, true, 103));
        assert!(taken_back(&mut condemned, true, 104));
        for n in 2..TELLINGS {
            condemned.told(&accepted, at(u64::from(n) * 1000));
            assert_eq!(
                taken_back(&mut condemned, true, u64::from(n) * 1000 + 30),
                n + 1 < TELLINGS
            );
        }
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut condemned = Condemned::default();
        let most = u64::try_from(MOST).unwrap();
        for n in 0..=most {
            condemned.add(pod(n), Duration::ZERO, at(n));
        }
        assert_eq!(condemned.victims.len(), MOST);
        assert!(!condemned.victims.contains_key("u0"));
    }

    #[test]
    fn they_are_looked_at_more_often_while_cgroups_come_and_go() {
        let mut condemned = Condemned::default();
        assert_eq!(condemned.next(), None);
        condemned.add_dead(pod(1), at(1));
        condemned.looked = at(5);
        assert_eq!(condemned.next(), Some(at(6)));
        condemned.stir(at(5));
        assert_eq!(condemned.next(), Some(at(5).after(EAGER)));
        condemned.looked = at(9);
        assert_eq!(condemned.next(), Some(at(10)));
    }
}
