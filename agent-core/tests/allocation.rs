//! Deciding to evict allocates nothing once the evaluator is warm: under memory pressure an allocation
//! may be what never returns.
#![expect(unsafe_code, reason = "a counting allocator cannot be written without")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

use evictd_core::{
    Command, Evaluator, LogWrites, MonoTime, NodeSignals, Observation, Outcome, PodFacts,
    PodObservation, PodRef, PodUsage, Policy, Qos, Signal, SignalObservation,
};

/// The system's allocator, counting for each thread what it hands out.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn observation(at: u64, available: i64) -> Observation {
    let pods = (0..110).map(|i| PodObservation {
        facts: Arc::new(PodFacts {
            id: PodRef { uid: format!("uid-{i}").into(), cgroup_inode: i + 1 },
            namespace: "default".into(),
            name: format!("pod-{i}").into(),
            priority: 0,
            is_static: false,
            protected: false,
            qos: Qos::BestEffort,
            memory_request: 0,
            ephemeral_storage_request: 0,
            termination_grace_seconds: None,
            spec: None,
        }),
        usage: PodUsage { memory_working_set: Some(i * 7 % 110), ..PodUsage::default() },
        stats: None,
    });
    let at = Some(MonoTime::from_nanos(at));
    let mut signals = NodeSignals::default();
    let seen = SignalObservation { available, capacity: 1 << 30, at };
    signals.set(Signal::MemoryAvailable, Some(seen));
    Observation {
        signals,
        usage_for: Some(Signal::MemoryAvailable),
        pods: pods.collect(),
        ..Observation::default()
    }
}

#[test]
fn the_second_eviction_allocates_nothing() {
    let mut evaluator = Evaluator::new(Policy::linux_defaults(), MonoTime::default());
    let mut counts = Vec::with_capacity(3);
    for round in 1..=3_u64 {
        let at = round * 100;
        let now = MonoTime::from_nanos(at);
        let observation = observation(at, 1 << 20);
        let before = ALLOCATIONS.get();
        assert_eq!(
            evaluator.usage_wanted(&observation.signals, now),
            Some(Signal::MemoryAvailable)
        );
        evaluator.handle_observation(&observation, now);
        let evicted = std::iter::from_fn(|| evaluator.poll_command())
            .find_map(|command| if let Command::Evict(e) = command { Some(e) } else { None })
            .expect("the threshold is met");
        evaluator.handle_outcome(&Outcome::Killed { id: evicted.id }, now);
        evaluator.handle_outcome(&Outcome::Emptied { id: evicted.id }, now);
        counts.push(ALLOCATIONS.get() - before);
    }
    assert_eq!(counts[1..], [0, 0], "the first may allocate what the others use again: {counts:?}");
}

#[test]
fn a_quiet_look_allocates_nothing_even_when_logs_are_read() {
    let mut evaluator = Evaluator::new(Policy::linux_defaults(), MonoTime::default());
    let mut counts = Vec::with_capacity(10);
    for round in 1..=10_u64 {
        let at = round * 200_000_000;
        let now = MonoTime::from_nanos(at);
        let pods = observation(at, 1 << 29).pods;
        let mut quiet = Observation { usage_for: None, ..observation(at, 1 << 29) };
        let seen = SignalObservation { available: 1 << 29, capacity: 1 << 30, at: Some(now) };
        quiet.signals.set(Signal::NodefsAvailable, Some(seen));
        let writes = pods.iter().zip(0..).map(|(pod, i)| LogWrites {
            pod: pod.facts.id.clone(),
            container: "app".into(),
            // Up to 990 kB/s: below the minimum.
            bytes: round * i * 1800,
        });
        quiet.log_writes = writes.collect();
        let before = ALLOCATIONS.get();
        assert_eq!(evaluator.usage_wanted(&quiet.signals, now), None);
        evaluator.handle_observation(&quiet, now);
        assert_eq!(evaluator.poll_command(), None);
        counts.push(ALLOCATIONS.get() - before);
    }
    assert_eq!(counts[1..], [0; 9], "the first may allocate its table: {counts:?}");
}
