//! evictd beside a real containerd on nodefs: images go before pods, and pods that it runs are known by
//! their cgroups and logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs::File, time::Duration};

use evictd_tests::{
    containerd::{Containerd, PAUSE, Programs},
    evictd::{DISK_THRESHOLD_MIB, Options},
    inbox::Inbox,
    node::Node,
    record::{Eviction, NodeReclaim, ReclaimEnd, Record},
    session::Session,
};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

const PATIENCE: Duration = Duration::from_secs(60);
const IDLE: &str = "evictd.test/idle:1";
/// Less than a tenth of what is left at the threshold: more is taken for a disk that fills too fast to wait, also
/// when evictd looks while it is being taken.
const SHORT_MIB: u64 = 8;
const MIB: u64 = 1 << 20;

/// Fields are dropped in order: what lies on the node's filesystem first.
struct Machine {
    containerd: Containerd,
    session: Session,
}

impl Machine {
    /// With an unused image on nodefs that was there before evictd.
    fn start(mode: &'static str) -> Option<Self> {
        Self::start_with(mode, |containerd, _| containerd.import(IDLE, 40).unwrap())
    }

    /// With what `prepare` puts on the node before evictd.
    fn start_with(
        mode: &'static str,
        prepare: impl FnOnce(&mut Containerd, &Node),
    ) -> Option<Self> {
        let programs = Programs::find()?;
        let node = Node::create().unwrap();
        let dir = node.nodefs_root().join("containerd");
        let mut containerd = Containerd::start(&programs, &dir).unwrap();
        prepare(&mut containerd, &node);
        let mut options = Options::new(&common::evictd_binary(), mode);
        options.more_config = "nodeReclaim: {deadline: 1s}\n".to_owned();
        let socket = containerd.socket().display().to_string();
        options.more_args = vec!["--runtime-endpoint".to_owned(), socket];
        let session = Session::start_on(node, Inbox::default(), &options).unwrap();
        let mut machine = Self { containerd, session };
        machine.wait("the runtime", |record| {
            matches!(record, Record::Runtime { reached: true, .. }).then_some(())
        });
        Some(machine)
    }

    fn wait<T>(&mut self, what: &str, wanted: impl Fn(&Record) -> Option<T>) -> T {
        self.session.inbox().wait_record(0, PATIENCE, what, wanted).unwrap()
    }

    /// Takes space until `mib` less than the threshold are left.
    fn fill(&mut self, mib: u64) {
        self.fill_to(DISK_THRESHOLD_MIB - mib);
    }

    /// Takes space until `mib` are left.
    fn fill_to(&mut self, mib: u64) {
        let root = self.session.node().nodefs_root().to_owned();
        let stat = statvfs(&root).unwrap();
        let left = mib * MIB;
        let file = File::create(root.join("filler")).unwrap();
        let bytes = stat.f_bavail * stat.f_frsize - left;
        fallocate(&file, FallocateFlags::empty(), 0, bytes).unwrap();
    }

    fn reclaim(&mut self) -> NodeReclaim {
        self.wait("something freed", |record| {
            if let Record::NodeReclaim(reclaim) = record { Some(reclaim.clone()) } else { None }
        })
    }

    fn eviction(&mut self) -> Eviction {
        self.wait("an eviction", |record| {
            if let Record::Eviction(eviction) = record { Some(eviction.clone()) } else { None }
        })
    }

    fn images(&self) -> Vec<String> {
        let mut images = self.containerd.cri().unwrap().images().unwrap();
        images.sort();
        images
    }

    fn stop(self) -> u64 {
        let Self { containerd, session } = self;
        drop(containerd);
        session.stop().unwrap().stopped.evictions
    }
}

#[test]
fn an_unused_image_goes_and_no_pod() {
    let _alone = common::alone();
    let Some(mut machine) = Machine::start("enforce") else { return };
    machine.fill(SHORT_MIB);
    let reclaim = machine.reclaim();
    assert_eq!((&*reclaim.signal, &*reclaim.mode), ("nodefs.available", "enforce"));
    assert_eq!((reclaim.end, &reclaim.problem), (ReclaimEnd::Done, &None));
    let names: Vec<_> = reclaim.freed.iter().map(|freed| freed.name.as_deref()).collect();
    assert_eq!(names, [Some(IDLE)]);
    assert_eq!(machine.images(), [PAUSE]);
    machine.wait("the pressure to end", |record| {
        matches!(record, Record::Condition { status: false, .. }).then_some(())
    });
    assert_eq!(machine.stop(), 0, "nobody had to go");
}

#[test]
fn a_hung_runtime_delays_an_eviction_by_its_deadline() {
    let _alone = common::alone();
    let Some(mut machine) = Machine::start("enforce") else { return };
    machine.containerd.hang().unwrap();
    machine.fill(SHORT_MIB);
    let eviction = machine.eviction();
    assert_eq!(eviction.node_reclaim, Some(ReclaimEnd::Deadline), "{eviction:?}");
    assert_eq!((&*eviction.signal, &*eviction.outcome), ("nodefs.available", "killed"));
    let reclaim = machine.reclaim();
    assert!(!eviction.rank.is_empty(), "explained by the pods that it was decided on");
    assert_eq!((reclaim.end, reclaim.freed.len()), (ReclaimEnd::Deadline, 0));
    let problem = reclaim.problem.unwrap();
    assert!(problem.contains("did not answer ListImages"), "{problem}");
    machine.containerd.resume().unwrap();
    assert!(machine.stop() > 0);
}

#[test]
fn observe_mode_says_what_would_go() {
    let _alone = common::alone();
    let Some(mut machine) = Machine::start("observe") else { return };
    machine.fill(SHORT_MIB);
    let reclaim = machine.reclaim();
    assert_eq!((&*reclaim.mode, reclaim.end), ("observe", ReclaimEnd::Done));
    assert_eq!(reclaim.freed.len(), 1);
    let eviction = machine.eviction();
    assert_eq!(eviction.outcome, "observed");
    assert_eq!(eviction.node_reclaim, Some(ReclaimEnd::Done));
    assert_eq!(machine.images(), [IDLE, PAUSE]);
    machine.stop();
}

/// The log is written by containerd, in a cgroup of its own; the container was restarted before.
#[test]
fn a_pod_that_containerd_runs_is_evicted_for_its_log() {
    let _alone = common::alone();
    let uid = "5d0c1b62-6d3e-4f0b-9a51-0d8c3f1e7a90";
    let mut pod = None;
    let started = Machine::start_with("enforce", |containerd, node| {
        containerd.import(IDLE, 0).unwrap();
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{namespace: test, name: {uid}, uid: {uid}}}\n\
             spec: {{containers: [{{name: app, image: x}}]}}\n"
        );
        std::fs::write(node.manifests_dir().join("writer.yaml"), manifest).unwrap();
        let parent = node.kubepods().at("besteffort").at(&format!("pod{uid}"));
        let parent = format!("/{}", parent.relative().display());
        let mut cri = containerd.cri().unwrap();
        let made = cri.run_pod(uid, &parent, &node.pod_logs_dir()).unwrap();
        cri.run_to_end(&made, "app", 0, IDLE, "exit 1").unwrap();
        pod = Some(made);
    });
    let Some(mut machine) = started else { return };
    machine.fill_to(DISK_THRESHOLD_MIB + 40);
    let mut cri = machine.containerd.cri().unwrap();
    let line = "y".repeat(200);
    // Bounded: the disk holds more than this.
    let script = format!("i=0; while [ $i -lt 500000 ]; do echo {line}; i=$((i+1)); done");
    let id = cri.start(&pod.unwrap(), "app", 1, IDLE, &script).unwrap();
    let eviction = machine.eviction();
    assert_eq!((&*eviction.namespace, &*eviction.uid), ("test", uid), "{eviction:?}");
    assert_eq!((&*eviction.signal, &*eviction.outcome), ("nodefs.available", "killed"));
    assert!(eviction.node_reclaim.is_some(), "{eviction:?}");
    let until = std::time::Instant::now() + PATIENCE;
    while !cri.containers().unwrap().contains(&(id.clone(), true)) {
        assert!(std::time::Instant::now() < until, "containerd does not see the end");
        std::thread::sleep(Duration::from_millis(20));
    }
    machine.stop();
}
