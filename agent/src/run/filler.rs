//! Who fills a disk, when it is no pod: an image pull, a system service. While a disk is on its way to a
//! threshold a thread of its own compares who has taken how much since it was last asked, so that the
//! control loop reads nothing for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread,
    time::Duration,
};

use evictd_core::{Evaluator, MonoTime, NodeSignals, Signal};
use serde::Serialize;

use super::watch::kernel_dev_of;
use crate::{
    pods::PodIndex,
    probe::{CounterReader, Grown},
    sample::NodeSampler,
    state::{Role, path_of, short_name},
};

/// Signals of disks that others than pods fill.
const SIGNALS: [Signal; 2] = [Signal::NodefsAvailable, Signal::ImagefsAvailable];

/// Growth below this rate fills no disk, bytes a second.
const LEAST_RATE: u64 = 1 << 20;

/// What was found is told with decisions for so long.
const FRESH: Duration = Duration::from_secs(5);

/// A cgroup that is no pod's and fills a disk faster than any pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filler {
    /// The signal of the disk.
    pub signal: &'static str,
    /// From the root of the hierarchy.
    pub cgroup: String,
    /// What runs there.
    pub role: Role,
    /// How fast it takes space.
    pub bytes_per_second: u64,
    /// How fast the pod does that grows fastest.
    pub fastest_pod_bytes_per_second: u64,
    /// All of it in words.
    pub message: String,
}

/// One disk and whose the cgroups are.
#[derive(Debug)]
struct Question {
    at: MonoTime,
    signal: Signal,
    dev: u32,
    /// Numbers of the pods by ids of their cgroups.
    pods: BTreeMap<u64, usize>,
    /// Numbers of the pods by inodes of their log directories.
    logs: BTreeMap<u64, usize>,
}

/// What was found for a signal; nothing if it is pods, or too little to tell.
#[derive(Debug)]
struct Answer {
    at: MonoTime,
    signal: Signal,
    filler: Option<Filler>,
}

/// Asks the thread and keeps its last answers.
#[derive(Debug)]
pub struct Fillers {
    questions: SyncSender<Question>,
    answers: Receiver<Answer>,
    last: Vec<Answer>,
    /// Who was reported, and is until the disk is no longer on its way.
    told: BTreeSet<(Signal, String)>,
}

impl Fillers {
    /// Starts the thread; it ends with the value. `root`: the hierarchy by whose ids the kernel counts.
    pub fn start(counters: CounterReader, root: PathBuf) -> Self {
        let (questions, asked) = sync_channel::<Question>(SIGNALS.len());
        let (found, answers) = channel();
        thread::spawn(move || {
            let mut before: BTreeMap<Signal, (MonoTime, Grown)> = BTreeMap::new();
            for question in asked {
                let now = counters.grown_on(question.dev);
                let last = before.insert(question.signal, (question.at, now.clone()));
                let filler = last.and_then(|(then, before)| {
                    let taken = Taken::between(&before, &now, &question);
                    taken.filler(question.signal, question.at.since(then), |id| path_of(&root, id))
                });
                let answer = Answer { at: question.at, signal: question.signal, filler };
                if found.send(answer).is_err() {
                    return;
                }
            }
        });
        Self { questions, answers, last: Vec::new(), told: BTreeSet::new() }
    }

    /// Asks about disks that are on their way to a threshold within `horizon`; gives who is to be reported.
    /// Called on ticks.
    pub fn look(
        &mut self,
        evaluator: &Evaluator,
        signals: &NodeSignals,
        (sampler, index): (&NodeSampler, &PodIndex),
        now: MonoTime,
    ) -> Vec<Filler> {
        let horizon = evaluator.policy().log_writers.horizon;
        for signal in SIGNALS {
            let time = evaluator.forecast().time_to_threshold(evaluator.policy(), signals, signal);
            let root = if signal == Signal::ImagefsAvailable {
                sampler.imagefs()
            } else {
                Some(sampler.nodefs())
            };
            match root.filter(|_| time.is_some_and(|time| time <= horizon)) {
                Some(root) => self.ask(signal, kernel_dev_of(root), index, now),
                None => self.told.retain(|(told, _)| *told != signal),
            }
        }
        self.take()
    }

    fn ask(&self, signal: Signal, dev: u32, index: &PodIndex, at: MonoTime) {
        let mut question =
            Question { at, signal, dev, pods: BTreeMap::new(), logs: BTreeMap::new() };
        for (number, pod) in index.iter().enumerate() {
            let cgroups = pod.cgroup().into_iter();
            let ids =
                cgroups.flat_map(|c| c.containers().iter().map(|c| c.inode).chain([c.inode()]));
            question.pods.extend(ids.map(|id| (id, number)));
            question.logs.extend(pod.logs().iter().map(|log| (log.inode, number)));
        }
        // A thread that is behind is asked at the next tick.
        let _ = self.questions.try_send(question);
    }

    fn take(&mut self) -> Vec<Filler> {
        let mut new = Vec::new();
        while let Ok(answer) = self.answers.try_recv() {
            if let Some(filler) = &answer.filler
                && self.told.insert((answer.signal, filler.cgroup.clone()))
            {
                new.push(filler.clone());
            }
            self.last.retain(|last| last.signal != answer.signal);
            self.last.push(answer);
        }
        new
    }

    /// Who was found to fill that disk lately.
    pub fn latest(&self, signal: Signal, now: MonoTime) -> Option<&Filler> {
        let last = self.last.iter().find(|last| last.signal == signal)?;
        last.filler.as_ref().filter(|_| now.since(last.at) <= FRESH)
    }
}

/// Bytes taken between two readings.
#[derive(Debug, Default)]
struct Taken {
    /// By pod.
    pods: BTreeMap<usize, i64>,
    /// By the id of a cgroup that is no pod's.
    others: BTreeMap<u64, i64>,
}

impl Taken {
    fn between(before: &Grown, now: &Grown, whose: &Question) -> Self {
        let mut taken = Self::default();
        for (id, bytes) in &now.cgroups {
            let bytes = bytes - before.cgroups.get(id).unwrap_or(&0);
            match whose.pods.get(id) {
                Some(pod) => *taken.pods.entry(*pod).or_default() += bytes,
                None => *taken.others.entry(*id).or_default() += bytes,
            }
        }
        for (log, bytes) in &now.logs {
            let bytes = bytes - before.logs.get(log).unwrap_or(&0);
            if let Some(pod) = whose.logs.get(&log.inode) {
                *taken.pods.entry(*pod).or_default() += bytes;
            }
        }
        taken
    }

    /// The largest, if it is no pod.
    fn filler(
        &self,
        signal: Signal,
        time: Duration,
        path_of: impl Fn(u64) -> Option<PathBuf>,
    ) -> Option<Filler> {
        let per_second = |bytes: i64| {
            let nanos = u128::from(bytes.max(0).unsigned_abs()) * 1_000_000_000;
            u64::try_from(nanos.checked_div(time.as_nanos()).unwrap_or(0)).unwrap_or(u64::MAX)
        };
        let (id, bytes) = self.others.iter().max_by_key(|(_, bytes)| **bytes)?;
        let fastest_pod = self.pods.values().max().copied().unwrap_or(0);
        let (rate, fastest_pod) = (per_second(*bytes), per_second(fastest_pod));
        if rate < LEAST_RATE || rate <= fastest_pod {
            return None;
        }
        let path = path_of(*id)?;
        let role = Role::of(&path);
        if role == Role::Pods {
            return None;
        }
        let name = short_name(&path);
        Some(Filler {
            signal: signal.name(),
            cgroup: format!("/{}", path.display()),
            role,
            bytes_per_second: rate,
            fastest_pod_bytes_per_second: fastest_pod,
            message: format!("the disk is being filled by {name} ({}), not by a pod", role.words()),
        })
    }
}

#[cfg(test)]
mod tests {
    use evictd_common::LogDirectory;

    use super::*;

    #[test]
    fn only_who_is_no_pod_and_grows_fastest_is_a_filler() {
        const MIB: i64 = 1 << 20;
        let log = LogDirectory { inode: 70, dev: 1, reserved: 0 };
        let question = Question {
            at: MonoTime::default(),
            signal: Signal::NodefsAvailable,
            dev: 1,
            pods: [(1, 0), (2, 0)].into(),
            logs: [(70, 1)].into(),
        };
        // MiB in two seconds: two containers of one pod, the log of another, containerd, a service.
        let cases = [
            ("an image pull", [1, 1, 1, 40, 2], Some("/system.slice/containerd.service")),
            ("a service", [1, 1, 1, 4, 20], Some("/system.slice/db.service")),
            ("a pod's containers together", [30, 30, 1, 40, 2], None),
            ("a pod's log", [1, 1, 50, 40, 2], None),
            ("nobody much", [0, 0, 0, 1, 0], None),
            ("everybody gives back", [-9, -9, -9, -9, -9], None),
        ];
        let path = |id| {
            Some(
                format!("system.slice/{}.service", if id == 8 { "containerd" } else { "db" })
                    .into(),
            )
        };
        for (name, [a, b, logs, runtime, service], expected) in cases {
            let before = Grown { cgroups: [(1, 5 * MIB)].into(), ..Grown::default() };
            let now = Grown {
                cgroups: [(1, (5 + a) * MIB), (2, b * MIB), (8, runtime * MIB), (9, service * MIB)]
                    .into(),
                logs: [(log, logs * MIB)].into(),
                unowned: 0,
            };
            let taken = Taken::between(&before, &now, &question);
            let found = taken.filler(Signal::NodefsAvailable, Duration::from_secs(2), path);
            assert_eq!(found.as_ref().map(|found| &*found.cgroup), expected, "{name}");
            if name == "an image pull" {
                let found = found.unwrap();
                assert_eq!((found.bytes_per_second, found.role), (20 << 20, Role::Runtime));
                assert_eq!(found.fastest_pod_bytes_per_second, 1 << 20);
                assert_eq!(
                    found.message,
                    "the disk is being filled by containerd (the container runtime: an image pull, or a \
                     container being made), not by a pod"
                );
            }
        }
        // Pods that nobody knows are no services.
        let taken = Taken { others: [(9, 90 * MIB)].into(), ..Taken::default() };
        let pods = |_| Some("kubepods/besteffort/podx".into());
        assert_eq!(taken.filler(Signal::NodefsAvailable, Duration::from_secs(1), pods), None);
    }
}
