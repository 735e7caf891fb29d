use evictd_core::{EvictionMaps, NodeReclaim as First, SignalObservation};
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::runtime::{Endpoint, RuntimeVersion};

const NODEFS: Signal = Signal::NodefsAvailable;
const STEPS: &[ReclaimStep] = &[ReclaimStep::DeadContainers, ReclaimStep::UnusedImages];

fn ms(millis: u64) -> MonoTime {
    MonoTime::from_nanos(millis * 1_000_000)
}

fn policy(semantics: Semantics) -> Policy {
    let maps = EvictionMaps {
        hard: [("nodefs.available".to_owned(), "1000".to_owned())].into(),
        soft: [("nodefs.available".to_owned(), "5000".to_owned())].into(),
        soft_grace_period: [("nodefs.available".to_owned(), "1m".to_owned())].into(),
        minimum_reclaim: [("nodefs.available".to_owned(), "50".to_owned())].into(),
        semantics,
        ..EvictionMaps::default()
    };
    Policy { node_reclaim: First::First, ..Policy::parse(&maps).unwrap() }
}

fn left(available: i64) -> NodeSignals {
    let mut signals = NodeSignals::default();
    let at = Some(ms(1));
    signals.set(NODEFS, Some(SignalObservation { available, capacity: 10_000, at }));
    signals
}

/// Asks with `available` left; two seconds may be waited.
fn ask(
    reclaims: &mut NodeReclaims,
    semantics: Semantics,
    available: i64,
    now: MonoTime,
) -> Option<ReclaimEnd> {
    let request = Request {
        signal: NODEFS,
        steps: STEPS,
        policy: &policy(semantics),
        signals: &left(available),
        pods: &[],
        path: Some("/nodefs".into()),
        pod_logs_dir: "/logs".into(),
        minimum_image_age: Duration::ZERO,
        pretend: false,
        settings: ReclaimSettings::default(),
    };
    reclaims.begin(request, now)
}

fn reached() -> (NodeReclaims, Receiver<Order>) {
    let (thread, orders, _) = RuntimeThread::fake();
    let mut reclaims = NodeReclaims::new(Some(thread), Vec::new());
    reclaims.reached(true);
    (reclaims, orders)
}

fn done(number: u64, is_silent: bool) -> Reclaimed {
    Reclaimed { number, is_silent, ..Reclaimed::default() }
}

#[test]
fn a_wait_costs_a_tenth_or_64_mebibytes() {
    const MIB: i64 = 1 << 20;
    let cases = [
        ("a tenth", 100 * MIB, Some(10 * MIB)),
        ("no more than 64 MiB", 10_000 * MIB, Some(64 * MIB)),
        ("full", 0, None),
        ("below nothing", -5, None),
    ];
    for (name, available, cost) in cases {
        let (mut reclaims, mut orders) = reached();
        let end = ask(&mut reclaims, Semantics::Strict, available, ms(0));
        assert_eq!(end, cost.is_none().then_some(ReclaimEnd::NotAwaited), "{name}");
        assert!(orders.try_recv().is_ok(), "{name}: ordered all the same");
        let Some(cost) = cost else { continue };
        assert!(reclaims.settle(&left(available - cost), ms(1)).is_none(), "{name}");
        assert!(reclaims.settle(&left(available - cost - 1), ms(1)).is_some(), "{name}");
    }
}

#[test]
fn as_much_is_asked_for_as_the_threshold_acted_on_needs() {
    let until = |available| Goal::Until { path: "/nodefs".into(), signal: NODEFS, available };
    let cases = [
        ("hard met: not the soft one's", Semantics::Strict, 900, until(1050)),
        ("within its minimum reclaim", Semantics::Strict, 1020, until(1050)),
        ("soft alone", Semantics::Strict, 2000, until(5050)),
        ("the kubelet frees all", Semantics::Kubelet, 900, Goal::Everything),
    ];
    for (name, semantics, available, goal) in cases {
        let (mut reclaims, mut orders) = reached();
        ask(&mut reclaims, semantics, available, ms(0));
        assert_eq!(orders.try_recv().map(|order| order.goal), Ok(goal), "{name}");
    }
}

#[test]
fn the_wait_ends_with_the_answer_the_deadline_or_the_disk() {
    let cases = [
        ("too early", 1999, 900, false, None),
        ("answered", 5, 900, true, Some(ReclaimEnd::Done)),
        ("deadline", 2000, 900, false, Some(ReclaimEnd::Deadline)),
        ("a tenth is filled", 100, 809, false, Some(ReclaimEnd::Filling)),
        ("not quite", 100, 810, false, None),
    ];
    for (name, at, available, answered, end) in cases {
        let (mut reclaims, _orders) = reached();
        assert_eq!(ask(&mut reclaims, Semantics::Strict, 900, ms(0)), None, "{name}");
        if answered {
            let told = reclaims.done(&done(1, false), ms(at));
            assert_eq!(told, Some((NODEFS, ReclaimEnd::Done)), "{name}");
        }
        let settled = reclaims.settle(&left(available), ms(at)).is_some();
        assert_eq!(settled, end.is_some(), "{name}");
        assert_eq!(reclaims.take_end(NODEFS), end, "{name}");
        assert!(reclaims.settle(&left(available), ms(at)).is_none(), "{name}: once");
    }
}

#[test]
fn a_runtime_that_hangs_costs_one_deadline() {
    let (mut reclaims, mut orders) = reached();
    let ask = |reclaims: &mut NodeReclaims, at| ask(reclaims, Semantics::Strict, 900, ms(at));
    assert_eq!(ask(&mut reclaims, 0), None);
    assert!(reclaims.settle(&left(900), ms(2000)).is_some(), "the deadline");
    assert_eq!(ask(&mut reclaims, 2001), Some(ReclaimEnd::Busy), "still at work");
    orders.try_recv().unwrap();
    let late = reclaims.done(&done(1, true), ms(3000));
    assert_eq!(late, Some((NODEFS, ReclaimEnd::Deadline)), "what the eviction saw");
    assert!(reclaims.settle(&left(900), ms(3000)).is_none(), "nobody waits for it");
    assert_eq!(ask(&mut reclaims, 32_999), Some(ReclaimEnd::Busy), "silent lately");
    assert_eq!(ask(&mut reclaims, 33_000), None, "tried again");
}

#[test]
fn nobody_waits_for_a_runtime_that_is_away() {
    let (mut reclaims, _orders) = reached();
    reclaims.reached(false);
    let unreachable = Some(ReclaimEnd::Unreachable);
    assert_eq!(ask(&mut reclaims, Semantics::Strict, 900, ms(0)), unreachable);
    let mut none = NodeReclaims::new(None, Vec::new());
    assert_eq!(ask(&mut none, Semantics::Kubelet, 900, ms(0)), unreachable);
    assert_eq!(none.take_end(NODEFS), unreachable, "told with the eviction");
    assert_eq!(none.take_end(NODEFS), None, "once");
}

#[test]
fn what_was_told_before_the_loop_comes_first() {
    let (thread, _orders, tells) = RuntimeThread::fake();
    let version = RuntimeVersion { name: "containerd".into(), version: "1".into() };
    let endpoint: Endpoint = "/run/a.sock".parse().unwrap();
    let mut reclaims = NodeReclaims::new(Some(thread), vec![Told::Reached { endpoint, version }]);
    assert!(reclaims.was_reached());
    tells.try_send(Told::Lost("gone".to_owned())).unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut next = || tokio.block_on(reclaims.told());
    assert!(matches!(next(), Told::Reached { .. }));
    assert!(matches!(next(), Told::Lost(_)));
}
