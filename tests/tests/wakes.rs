//! What wakes evictd.

mod common;

use std::time::{Duration, Instant};

use evictd_tests::{evictd::Options, inbox::Inbox, roster::FORK_BOMBER, session::Session};

const PATIENCE: Duration = Duration::from_secs(30);

/// The kubelet polls every 10 s, whatever `kernelMemcgNotification` says, on cgroup v2. Here the kernel
/// itself tells that memory becomes short somewhere, in both semantics and without any such option.
#[test]
fn e37_the_kernel_wakes_evictd_when_memory_becomes_short() {
    let _alone = common::alone();
    for semantics in ["strict", "kubelet"] {
        let mut options = Options::new(&common::evictd_binary(), "observe");
        options.semantics = semantics;
        let mut session = Session::start(Inbox::default(), &options).unwrap();
        let rungs = &session.started().rungs;
        let stands = |family| rungs.get(family).is_some_and(|family| family.rung.is_some());
        let by_kernel = stands("reclaim") || stands("memory_events");

        // More page cache than the pod may have: the kernel has to reclaim, far from any threshold.
        let position = session.position(FORK_BOMBER).unwrap();
        session.pods()[position].cgroup().limit_memory(32 << 20).unwrap();
        let file = session.node().kubelet_dir().join("cached");
        let args = format!("write-exactly --bytes 1048576 --count 96 --file {}", file.display());
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        session.start_worker(FORK_BOMBER, &args).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while session.pods()[position].worker_exit_code().is_none() {
            assert!(Instant::now() < deadline, "the writer does not end");
            std::thread::sleep(Duration::from_millis(5));
        }

        let wakes = session.stop().unwrap().stopped.wakes;
        let woken = ["reclaim", "memory-event"].iter().any(|reason| wakes.contains_key(*reason));
        assert_eq!(woken, by_kernel, "{semantics}: {wakes:?}");
        // What the kernel told is the reason of a look that would have come by fill rate as well.
        assert!(by_kernel || wakes.contains_key("look"), "by fill rate: {wakes:?}");
    }
}
