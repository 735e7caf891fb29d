//! Limits of local storage (P-1 to P-6): who is over one of its own is evicted, nobody else, although the
//! node is well.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use evictd_tests::{
    evictd::Options,
    inbox::{Event, Inbox},
    manifest::{PodSpec, Qos, StorageLimits},
    record::{Eviction, Record},
    session::Session,
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Several ticks, on which limits are looked at.
const QUIET: Duration = Duration::from_secs(4);

const fn pod(name: &'static str, limits: StorageLimits) -> PodSpec {
    PodSpec {
        namespace: "limits",
        name,
        qos: Qos::BestEffort,
        priority: 0,
        memory_mib: 0,
        disk_mib: 0,
        work: &["idle", "--mib", "1"],
        empty_dir: limits.volume > 0,
        limits,
        is_static: false,
    }
}

// Small: what is written stays in the page cache for a while, and memory is not to become short.
const VOLUME: StorageLimits = StorageLimits { volume: 4, app: 0, worker: 0 };
/// The pod as a whole may hold what both containers may.
const CONTAINER: StorageLimits = StorageLimits { volume: 0, app: 8, worker: 2 };
/// E-29: one limited container limits the whole pod.
const POD: StorageLimits = StorageLimits { volume: 0, app: 0, worker: 2 };

/// Starts the pod and has its worker write so many MiB into its volume or its log.
fn write(session: &mut Session, spec: &PodSpec, mib: u64) {
    session.add(spec).unwrap();
    let position = session.position(&spec.full_name()).unwrap();
    let args = if spec.empty_dir {
        let file = session.pods()[position].volume_dir().join("file");
        format!("write-exactly --bytes 1048576 --count {mib} --file {}", file.display())
    } else {
        format!("log-writer --rate 0 --max-mib {mib}")
    };
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    session.start_worker(&spec.full_name(), &args).unwrap();
}

/// Evictions since `from`, by pod.
fn evictions(session: &mut Session, from: usize) -> BTreeMap<String, Vec<Eviction>> {
    let mut found: BTreeMap<String, Vec<Eviction>> = BTreeMap::new();
    for event in session.inbox().since(from) {
        if let Event::Record(record) = event
            && let Record::Eviction(eviction) = &**record
        {
            found.entry(eviction.pod.clone()).or_default().push(eviction.clone());
        }
    }
    found
}

fn wait_for(session: &mut Session, from: usize, pod: &str) -> Eviction {
    let what = format!("the eviction of {pod}");
    let evicted = session.inbox().wait_record(from, PATIENCE, &what, |record| {
        if let Record::Eviction(eviction) = record {
            (eviction.pod == pod).then(|| eviction.clone())
        } else {
            None
        }
    });
    evicted.unwrap()
}

fn over_and_below(semantics: &'static str) {
    let mut options = Options::new(&common::evictd_binary(), "enforce");
    options.semantics = semantics;
    options.more_config = "protect: [{namespace: limits, name: protected}]\n".to_owned();
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    let from = session.inbox().mark();
    let innocent = [
        (pod("below", VOLUME), 3),
        (PodSpec { is_static: true, ..pod("static", VOLUME) }, 6),
        (PodSpec { priority: 2_000_000_000, ..pod("critical", VOLUME) }, 6),
        (pod("protected", VOLUME), 6),
    ];
    for (spec, mib) in &innocent {
        write(&mut session, spec, *mib);
    }
    let volume = "Usage of EmptyDir volume \"data\" exceeds the limit \"4Mi\". ";
    let container = "Container worker exceeded its local ephemeral storage limit \"2Mi\". ";
    let whole = "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ";
    let over = [
        (pod("volume", VOLUME), 6, "emptydirfs.limit", volume),
        (pod("container", CONTAINER), 4, "ephemeralcontainerfs.limit", container),
        (pod("whole", POD), 4, "ephemeralpodfs.limit", whole),
    ];
    for (spec, mib, signal, message) in &over {
        write(&mut session, spec, *mib);
        let eviction = wait_for(&mut session, from, spec.name);
        assert_eq!((&*eviction.signal, &*eviction.message), (*signal, *message));
        assert_eq!((&*eviction.outcome, eviction.hard), ("killed", true), "{eviction:?}");
        assert!(eviction.available < 0 && eviction.quantity > 0, "{eviction:?}");
        let emptied = session.inbox().wait_record(from, PATIENCE, "the pod to end", |record| {
            matches!(record, Record::Emptied(emptied) if emptied.id == eviction.id).then_some(())
        });
        emptied.unwrap();
    }
    let after = session.inbox().mark();
    session.inbox().wait_record(after, QUIET, "nothing", |_| None::<()>).unwrap_err();
    let evicted = evictions(&mut session, from);
    assert_eq!(evicted.values().flatten().count(), over.len(), "{evicted:?}");
    for pod in session.pods() {
        let is_over = over.iter().any(|(spec, ..)| spec.name == pod.spec().name);
        assert_eq!(pod.app_is_running(), !is_over, "{}", pod.spec().full_name());
    }
    assert!(session.stop().unwrap().status.success());
}

#[test]
fn who_is_over_a_limit_is_evicted_and_nobody_else() {
    let _alone = common::alone();
    over_and_below("strict");
}

#[test]
fn kubelet_semantics_hold_pods_to_the_same_limits() {
    let _alone = common::alone();
    over_and_below("kubelet");
}

#[test]
fn observe_mode_says_so_once_and_touches_nothing() {
    let _alone = common::alone();
    let options = Options::new(&common::evictd_binary(), "observe");
    let mut session = Session::start(Inbox::default(), &options).unwrap();
    let from = session.inbox().mark();
    write(&mut session, &pod("volume", VOLUME), 6);
    let eviction = wait_for(&mut session, from, "volume");
    assert_eq!((&*eviction.outcome, eviction.kill_issued_ns), ("observed", None));
    let after = session.inbox().mark();
    session.inbox().wait_record(after, QUIET, "nothing", |_| None::<()>).unwrap_err();
    assert_eq!(evictions(&mut session, from).values().flatten().count(), 1);
    for pod in session.pods() {
        assert!(pod.app_is_running(), "{}", pod.spec().full_name());
    }
    assert!(session.stop().unwrap().status.success());
}
