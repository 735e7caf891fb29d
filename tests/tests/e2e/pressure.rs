//! Conditions and taints while there is pressure, and after it.

use std::time::SystemTime;

use evictd_tests::{clock::mono_ns, manifest::PodSpec, record::Record};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    common,
    known::marks,
    scene::Prepared,
    small::{Small, idle},
};

/// Nobody may evict it: the pressure lasts for as long as it holds the memory.
const STATIC: PodSpec = PodSpec { namespace: "kube-system", is_static: true, ..idle("proxy") };

const CLEAR: [&str; 3] = [
    "evictd.dev/MemoryPressure=False",
    "evictd.dev/DiskPressure=False",
    "evictd.dev/PIDPressure=False",
];
const PRESSED: [&str; 4] = [
    "evictd.dev/MemoryPressure=True",
    "evictd.dev/DiskPressure=False",
    "evictd.dev/PIDPressure=False",
    "evictd.dev/memory-pressure",
];
/// Below the hard threshold.
const LEFT_MIB: u64 = 32;
/// `evictionPressureTransitionPeriod`.
const TRANSITION_NS: u64 = 1_000_000_000;

#[test]
fn the_node_says_so_while_there_is_pressure_and_evictd() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[STATIC]);
    small.start_knowing();
    small.wait_marks("the conditions", |marks| marks == CLEAR);

    let from = small.inbox.mark();
    let held = small.hold(0, LEFT_MIB);
    let crossed_ns = wait_condition(&mut small, from, true);
    small.wait_marks("pressure", |marks| marks == PRESSED);
    let age = SignedDuration::from_nanos((mono_ns() - crossed_ns).cast_signed());
    let crossed = Timestamp::try_from(SystemTime::now()).unwrap() - age;
    // Written times have no fractions.
    let apart = memory_pressure_since(&small).duration_since(crossed).abs();
    assert!(apart <= SignedDuration::from_secs(1), "{apart:?} from the crossing");

    small.kill();
    drop(held);
    assert_eq!(marks(&small.kubelet.object().unwrap()), PRESSED, "left by the dead");
    small.start_knowing();
    small.wait_marks("the end of what the dead left", |marks| marks == CLEAR);

    let from = small.inbox.mark();
    let held = small.hold(0, LEFT_MIB);
    let crossed_ns = wait_condition(&mut small, from, true);
    small.wait_marks("pressure again", |marks| marks == PRESSED);
    let from = small.inbox.mark();
    drop(held);
    let over_ns = wait_condition(&mut small, from, false);
    // By evictd's clock alone: it counts from when it last saw the threshold met.
    assert!(over_ns - crossed_ns >= TRANSITION_NS, "before the transition period was over");
    small.wait_marks("the end of it", |marks| marks == CLEAR);

    let _held = small.hold(0, LEFT_MIB);
    small.wait_marks("pressure for the third time", |marks| marks == PRESSED);
    assert_eq!(small.end().stopped.evictions, 0);
    assert_eq!(marks(&small.kubelet.object().unwrap()), Vec::<String>::new());
    assert!(small.pods[0].is_running());
}

fn wait_condition(small: &mut Small, from: usize, wanted: bool) -> u64 {
    small.wait(from, "the condition", |record| {
        let Record::Condition { mono_ns, status } = record else { return None };
        (*status == wanted).then_some(*mono_ns)
    })
}

fn memory_pressure_since(small: &Small) -> Timestamp {
    let node = small.kubelet.object().unwrap();
    let conditions = node.status.unwrap().conditions.unwrap();
    let own = conditions.into_iter().find(|c| c.type_ == "evictd.dev/MemoryPressure");
    own.unwrap().last_transition_time.unwrap().0
}
