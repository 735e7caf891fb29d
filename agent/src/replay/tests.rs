//! Traces made by hand and at random, played again.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use evictd_core::{
    Command, Evaluator, EvictionMaps, MonoTime, NodeSignals, Observation, Outcome, PodFacts,
    PodObservation, PodRef, PodUsage, Policy, Qos, Semantics, Signal, SignalObservation,
};
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    config::Mode,
    trace::{Figures, Header, Recorder, Traced},
};

const MIB: u64 = 1 << 20;

/// What a recorder writes to, to be read while it is in use.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Thresholds of allocatableMemory.available and pid.available.
fn policy(memory: &str, tasks: &str, semantics: Semantics) -> Policy {
    let mut maps = EvictionMaps { semantics, ..EvictionMaps::default() };
    maps.hard.insert("allocatableMemory.available".into(), memory.into());
    maps.hard.insert("pid.available".into(), tasks.into());
    Policy::parse(&maps).unwrap()
}

fn pod(name: &str, priority: i32, memory: u64, tasks: u64) -> PodObservation {
    let facts = PodFacts {
        id: PodRef { uid: format!("uid-{name}").into(), cgroup_inode: 7 },
        namespace: "shop".into(),
        name: name.into(),
        priority,
        is_static: false,
        protected: false,
        qos: Qos::BestEffort,
        memory_request: 0,
        ephemeral_storage_request: 0,
        termination_grace_seconds: None,
        spec: None,
    };
    let usage =
        PodUsage { memory_working_set: Some(memory), tasks: Some(tasks), ..PodUsage::default() };
    PodObservation { facts: Arc::new(facts), usage, stats: None }
}

/// What is seen at one look: MiB and tasks left, and the pods.
#[derive(Clone, Debug)]
struct Look {
    memory: Option<i64>,
    tasks: Option<i64>,
    pods: Vec<PodObservation>,
}

/// Looks once a second as the daemon does, in observe mode or so that every kill succeeds.
fn record(policy: Policy, looks: &[Look], mode: Mode, figures: Figures) -> Vec<u8> {
    let start = MonoTime::from_nanos(1_000_000_000);
    let memory = Memory::default();
    let header = Header::of_this_machine(mode, figures, policy.clone(), start);
    let recorder = Recorder::start(memory.clone(), &header, Box::new(|_| {})).unwrap();
    let mut evaluator = Traced::new(Evaluator::new(policy, start), recorder);
    let mut o = Observation::default();
    let mut now = start;
    for look in looks {
        now = MonoTime::from_nanos(now.as_nanos() + 1_000_000_000);
        o.signals = signals(look, now);
        o.usage_for = evaluator.usage_wanted(&o.signals, now);
        let read = figures == Figures::All || o.usage_for.is_some();
        o.pods = if read { look.pods.clone() } else { Vec::new() };
        evaluator.handle_timeout(now);
        evaluator.handle_observation(&o, now);
        while let Some(command) = evaluator.poll_command() {
            if let Command::Evict(eviction) = &command {
                let id = eviction.id;
                let outcomes = match mode {
                    Mode::Observe => vec![Outcome::Observed { id }],
                    Mode::Enforce => vec![Outcome::Killed { id }, Outcome::Emptied { id }],
                };
                outcomes.iter().for_each(|outcome| evaluator.handle_outcome(outcome, now));
            }
        }
        evaluator.flush(&o);
    }
    evaluator.finish(now).unwrap();
    Arc::into_inner(memory.0).unwrap().into_inner().unwrap()
}

fn signals(look: &Look, now: MonoTime) -> NodeSignals {
    let mut signals = NodeSignals::default();
    let seen = |available: i64| SignalObservation { available, capacity: 1 << 30, at: Some(now) };
    let memory = look.memory.map(|mib| seen(mib << 20));
    signals.set(Signal::AllocatableMemoryAvailable, memory);
    signals.set(Signal::PidAvailable, look.tasks.map(seen));
    signals
}

fn read(bytes: &[u8]) -> Trace {
    trace::read(Path::new("t.jsonl"), bytes).unwrap()
}

/// Memory goes down from 100 MiB by 10 MiB a second, taken by `hog`.
fn filling() -> Vec<Look> {
    let look = |second: i64| Look {
        memory: Some(100 - 10 * second),
        tasks: Some(500),
        pods: vec![pod("web", 0, 20 * MIB, 5), pod("hog", 0, (30 + 10 * second as u64) * MIB, 2)],
    };
    (0..8).map(look).collect()
}

fn lines(trace: &Trace, other: Option<Policy>) -> Vec<String> {
    Answer::of(trace, other).text(Paint::none()).lines().map(str::to_owned).collect()
}

#[test]
fn the_recorded_policy_gives_the_recorded_decisions() {
    let strict = policy("64Mi", "100", Semantics::Strict);
    for (mode, figures) in [
        (Mode::Observe, Figures::All),
        (Mode::Observe, Figures::Wanted),
        (Mode::Enforce, Figures::Wanted),
    ] {
        let trace = read(&record(strict.clone(), &filling(), mode, figures));
        assert_eq!(trace.warnings, Vec::<String>::new());
        assert!(trace.commands().count() > 1);
        let answer = Answer::of(&trace, None);
        assert!(answer.reproduced, "{:?}", answer.first_difference);
        let again = Answer::of(&trace, Some(strict.clone()));
        assert_eq!(again.same, again.recorded, "{}", again.text(Paint::none()));
        assert_eq!(again.replayed, again.recorded);
    }
}

#[test]
fn another_threshold_moves_the_eviction() {
    let strict = |memory| policy(memory, "100", Semantics::Strict);
    let trace = read(&record(strict("64Mi"), &filling(), Mode::Observe, Figures::All));
    let expected = [
        "+  +4.000 s  condition             MemoryPressure=true",
        "+  +4.000 s  evict hard  shop/hog  allocatableMemory.available 70Mi < 75Mi; usage above request 60Mi > 20Mi",
        "-  +5.000 s  condition             MemoryPressure=true",
        "-  +5.000 s  evict hard  shop/hog  allocatableMemory.available 60Mi < 64Mi; usage above request 70Mi > 20Mi",
        "2 decisions recorded, 2 under the other policy: 0 same, 2 gone, 2 new (8 observations in 8.0 s)",
    ];
    assert_eq!(lines(&trace, Some(strict("75Mi"))), expected);
}

#[test]
fn a_policy_on_another_resource_needs_figures_that_were_recorded() {
    let looks: Vec<Look> = filling().into_iter().map(|l| Look { tasks: Some(60), ..l }).collect();
    let strict = |tasks| policy("64Mi", tasks, Semantics::Strict);
    for (figures, evicts) in [(Figures::All, true), (Figures::Wanted, false)] {
        let trace = read(&record(strict("50"), &looks, Mode::Observe, figures));
        let answer = Answer::of(&trace, Some(policy("1Mi", "100", Semantics::Strict)));
        let evicted = answer.decisions.iter().any(|line| {
            matches!(&line.decision.what, What::Evict { signal: Signal::PidAvailable, .. })
        });
        assert_eq!((evicted, answer.without_figures > 0), (evicts, !evicts), "{figures:?}");
    }
}

#[test]
fn a_trace_that_was_cut_is_used_up_to_there() {
    let bytes =
        record(policy("64Mi", "100", Semantics::Strict), &filling(), Mode::Observe, Figures::All);
    for length in (bytes.len() / 2..bytes.len() - 1).step_by(7) {
        let trace = trace::read(Path::new("t.jsonl"), &bytes[..length]).unwrap();
        assert!(!trace.warnings.is_empty(), "cut at {length}");
        let answer = Answer::of(&trace, None);
        assert!(answer.reproduced, "cut at {length}: {:?}", answer.first_difference);
    }
}

#[test]
fn what_was_tampered_with_is_not_reproduced() {
    let strict = policy("64Mi", "100", Semantics::Strict);
    let text = record(strict, &filling(), Mode::Observe, Figures::All);
    let text = String::from_utf8(text).unwrap();
    let other = text.replacen("\"expected_release\":", "\"expected_release\":1", 1);
    assert_ne!(text, other);
    let answer = Answer::of(&read(other.as_bytes()), None);
    assert!(!answer.is_as_expected());
    assert!(
        answer.text(Paint::none()).contains("not reproduced: command 2 was "),
        "{}",
        answer.text(Paint::none())
    );
}

prop_compose! {
    fn look()(
        memory in option::weighted(0.9, -20_i64..200),
        tasks in option::weighted(0.9, 0_i64..300),
        pods in vec((0_u8..4, -1_i32..2, 0_u64..100, 0_u64..9), 0..4),
    ) -> Look {
        let mut pods: Vec<_> = pods
            .into_iter()
            .map(|(name, priority, mib, tasks)| pod(&name.to_string(), priority, mib * MIB, tasks))
            .collect();
        pods.dedup_by(|a, b| a.facts.id == b.facts.id);
        Look { memory, tasks, pods }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_recorded_is_reproduced(
        looks in vec(look(), 1..40), enforce in any::<bool>(), kubelet in any::<bool>(),
        all in any::<bool>(),
    ) {
        let semantics = if kubelet { Semantics::Kubelet } else { Semantics::Strict };
        let recorded = policy("64Mi", "100", semantics);
        let mode = if enforce { Mode::Enforce } else { Mode::Observe };
        let figures = if all { Figures::All } else { Figures::Wanted };
        let trace = read(&record(recorded.clone(), &looks, mode, figures));
        let answer = Answer::of(&trace, None);
        prop_assert!(answer.reproduced, "{:?}", answer.first_difference);
        let again = Answer::of(&trace, Some(recorded));
        prop_assert_eq!(again.same, again.recorded, "{}", again.text(Paint::none()));
        prop_assert_eq!(again.same, again.replayed, "{}", again.text(Paint::none()));
        let other = || Some(policy("90Mi", "50", Semantics::Strict));
        prop_assert_eq!(Answer::of(&trace, other()).json(), Answer::of(&trace, other()).json());
    }
}
