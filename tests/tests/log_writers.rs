//! Runaway log writers are named, and evicted where that is wanted; nobody else is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use evictd_tests::{
    evictd::Options,
    inbox::{Event, Inbox},
    record::{Eviction, LogWriter, Record},
    runtime::{Reply, wait_reply},
    session::Session,
};

const PATIENCE: Duration = Duration::from_secs(30);
const WRITER: &str = "shop/checkout";
/// The least rate that is runaway by default.
const MINIMUM: u64 = 5_000_000;

fn session(more_config: &str) -> Session {
    let mut options = Options::new(&common::evictd_binary(), "enforce");
    options.more_config = more_config.to_owned();
    Session::start(Inbox::default(), &options).unwrap()
}

/// Starts a container `worker`; gives its id when its first line is in its log.
fn start(session: &mut Session, pod: &str, args: &str) -> String {
    let from = session.inbox().mark();
    let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    let id = session.start_worker(pod, &args).unwrap();
    let first = |reply: &Reply| matches!(reply, Reply::FirstLine { .. }).then_some(());
    wait_reply(session.inbox(), from, "a first line", &id, first).unwrap();
    id
}

fn as_log_writer(record: &Record) -> Option<LogWriter> {
    if let Record::LogWriter(writer) = record { Some(writer.clone()) } else { None }
}

/// Every writer named since `from`.
fn named(session: &mut Session, from: usize) -> Vec<String> {
    let writer = |event: &Event| match event {
        Event::Record(record) => as_log_writer(record),
        Event::BadRecord(_) | Event::EvictdEnded | Event::Runtime(_) | Event::Interrupted => None,
    };
    let name = |w: LogWriter| format!("{}/{}/{}", w.namespace, w.pod, w.container);
    session.inbox().since(from).iter().filter_map(writer).map(name).collect()
}

#[test]
fn a_runaway_writer_is_named_with_its_file_and_nobody_else_is() {
    let _alone = common::alone();
    let mut session = session("");
    let from = session.inbox().mark();
    // A megabyte a second is innocent, and so is a burst: 2.4 MB with the runtime's part, less than
    // the minimum makes in the time that a rate is formed over.
    start(&mut session, "shop/frontend", "steady-writer --log-rate 800000");
    start(&mut session, "batch/nightly", "steady-writer --log-rate 200000");
    start(&mut session, "batch/report", "log-writer --rate 0 --max-mib 2");
    let worker = start(&mut session, WRITER, "log-writer --rate 12 --max-mib 120");
    let rotated = session.rotate(&worker).unwrap();

    let writer = session.inbox().wait_record(from, PATIENCE, "a log writer", as_log_writer);
    let writer = writer.unwrap();
    let position = session.position(WRITER).unwrap();
    let pod = &session.pods()[position];
    assert_eq!((writer.uid.as_str(), writer.container.as_str()), (pod.uid(), "worker"));
    assert_eq!(writer.file, Some(pod.log_dir().join("worker/0.log")), "not {}", rotated.display());
    assert!(writer.rate_bytes_per_second >= MINIMUM, "{writer:?}");
    assert_eq!((writer.signal.as_str(), writer.writers), ("nodefs.available", 1));
    assert_eq!(writer.action, "report");

    // To the end of its 120 MiB.
    let written = |reply: &Reply| {
        let Reply::Written { bytes, .. } = reply else { return None };
        (*bytes > 120 << 20).then_some(())
    };
    wait_reply(session.inbox(), from, "the log to grow", &worker, written).unwrap();
    let mut names = named(&mut session, from);
    // A machine that stood still may show it twice as fast afterwards, or after a pause.
    names.dedup();
    assert_eq!(names, ["shop/checkout/worker"]);
    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.stopped.evictions, 0);
}

#[test]
fn a_runaway_writer_is_evicted_before_the_disk_is_low() {
    let _alone = common::alone();
    let mut session = session("logWriters: {action: evict, horizon: 1h}\n");
    let from = session.inbox().mark();
    start(&mut session, "shop/frontend", "steady-writer --log-rate 800000");
    start(&mut session, WRITER, "log-writer --rate 12 --max-mib 120");
    let as_eviction = |record: &Record| -> Option<Eviction> {
        if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
    };
    let eviction = session.inbox().wait_record(from, PATIENCE, "an eviction", as_eviction);
    let eviction = eviction.unwrap();
    assert_eq!(format!("{}/{}", eviction.namespace, eviction.pod), WRITER);
    assert_eq!(eviction.reason, "log-writer");
    assert_eq!(eviction.container.as_deref(), Some("worker"));
    assert_eq!(
        (eviction.outcome.as_str(), eviction.signal.as_str()),
        ("killed", "nodefs.available")
    );
    assert!(eviction.available > eviction.quantity, "{eviction:?}");
    let fragment = "Container worker was writing its log at ";
    assert!(eviction.message.contains(fragment), "{}", eviction.message);
    let released = session.inbox().wait_record(from, PATIENCE, "the end of the pod", |record| {
        if let Record::Released(released) = record { Some(released.seen) } else { None }
    });
    assert!(released.unwrap(), "its end was not seen");
    assert_eq!(named(&mut session, from), ["shop/checkout/worker"], "named before it was evicted");
    let position = session.position(WRITER).unwrap();
    for (i, pod) in session.pods().iter_mut().enumerate() {
        assert_eq!(pod.is_running(), i != position, "{}", pod.spec().full_name());
    }
    assert_eq!(session.stop().unwrap().stopped.evictions, 1);
}

#[test]
fn off_names_nobody() {
    let _alone = common::alone();
    let mut session = session("logWriters: {action: off}\n");
    let from = session.inbox().mark();
    let worker = start(&mut session, WRITER, "log-writer --rate 40 --max-mib 70");
    let written = |reply: &Reply| matches!(reply, Reply::Written { .. }).then_some(());
    wait_reply(session.inbox(), from, "the log to grow", &worker, written).unwrap();
    assert_eq!(named(&mut session, from), [""; 0]);
    assert!(session.stop().unwrap().status.success());
}
