//! Reclaim through a real containerd with runc.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use evictd::runtime::{Freed, Goal, Order, Reclaimed, RuntimeThread, Told};
use evictd_core::{ReclaimStep, Signal};
use evictd_tests::{
    containerd::{Containerd, Cri, PAUSE, PodSandbox, Programs},
    node::Node,
};

const PATIENCE: Duration = Duration::from_secs(120);
/// A container that ended more recently stays.
const SETTLED: Duration = Duration::from_secs(10);
const STEPS: &[ReclaimStep] = &[ReclaimStep::DeadContainers, ReclaimStep::UnusedImages];
const MIB: i64 = 1 << 20;

/// A containerd on a node's own filesystem.
struct Machine {
    containerd: Containerd,
    node: Node,
}

impl Machine {
    fn start() -> Option<Self> {
        let programs = Programs::find()?;
        let node = Node::create().unwrap();
        let dir = node.nodefs_root().join("containerd");
        let containerd = Containerd::start(&programs, &dir).unwrap();
        Some(Self { containerd, node })
    }

    fn cri(&self) -> Cri {
        self.containerd.cri().unwrap()
    }

    fn pod(&self, cri: &mut Cri, uid: &str) -> PodSandbox {
        let parent = self.node.kubepods().at("besteffort").at(&format!("pod{uid}"));
        let parent = format!("/{}", parent.relative().display());
        cri.run_pod(uid, &parent, &self.node.pod_logs_dir()).unwrap()
    }

    fn order(&self, goal: Goal, pretend: bool) -> Order {
        Order {
            number: 7,
            steps: STEPS,
            goal,
            pod_logs_dir: self.node.pod_logs_dir(),
            minimum_image_age: Duration::from_secs(120),
            pretend,
        }
    }

    fn available(&self) -> i64 {
        let stat = rustix::fs::statvfs(self.node.nodefs_root()).unwrap();
        (stat.f_bavail * stat.f_frsize).cast_signed()
    }
}

/// evictd's thread with somebody who listens.
struct Listener {
    thread: RuntimeThread,
    tokio: tokio::runtime::Runtime,
}

impl Listener {
    fn at(socket: &Path) -> Self {
        let endpoint = socket.display().to_string().parse().unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { thread: RuntimeThread::start(Some(endpoint)).unwrap(), tokio }
    }

    fn next(&mut self) -> Told {
        let told = async { tokio::time::timeout(PATIENCE, self.thread.told()).await };
        self.tokio.block_on(told).unwrap()
    }

    fn until<T>(&mut self, wanted: impl Fn(Told) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next()) {
                return found;
            }
        }
    }

    fn reached(&mut self) -> String {
        self.until(|told| match told {
            Told::Reached { version, .. } => Some(version.name),
            Told::Lost(reason) => panic!("{reason}"),
            Told::Absent | Told::Filesystems(_) | Told::Reclaimed(_) => None,
        })
    }

    fn lost(&mut self) -> String {
        self.until(|told| match told {
            Told::Lost(reason) => Some(reason),
            Told::Reached { .. } | Told::Absent | Told::Filesystems(_) | Told::Reclaimed(_) => None,
        })
    }

    fn filesystems(&mut self) -> (PathBuf, PathBuf) {
        self.until(|told| match told {
            Told::Filesystems(found) => Some((found.images, found.containers)),
            Told::Reached { .. } | Told::Absent | Told::Lost(_) | Told::Reclaimed(_) => None,
        })
    }

    fn carry_out(&mut self, order: Order) -> Reclaimed {
        assert!(self.thread.order(order), "nothing else is at work");
        self.until(|told| match told {
            Told::Reclaimed(done) => Some(*done),
            Told::Reached { .. } | Told::Absent | Told::Lost(_) | Told::Filesystems(_) => None,
        })
    }
}

/// Short names of what went: container ids as they are, images by tag, logs by file name.
fn names(freed: &[Freed]) -> Vec<String> {
    let name = |freed: &Freed| match freed {
        Freed::Container { id, .. } => id.clone(),
        Freed::Image { name, .. } => name.clone(),
        Freed::RotatedLog { path, .. } => path.file_name().unwrap().to_string_lossy().into_owned(),
    };
    freed.iter().map(name).collect()
}

fn containers(cri: &mut Cri) -> BTreeSet<String> {
    cri.containers().unwrap().into_iter().map(|(id, _)| id).collect()
}

fn images(cri: &mut Cri) -> BTreeSet<String> {
    cri.images().unwrap().into_iter().collect()
}

#[test]
fn what_nobody_needs_goes_in_order_and_nothing_else() {
    let _alone = common::alone();
    let Some(mut machine) = Machine::start() else { return };
    for image in ["evictd.test/used:1", "evictd.test/once:1", "evictd.test/idle:1"] {
        machine.containerd.import(image, 2).unwrap();
    }
    let mut cri = machine.cri();
    let living = machine.pod(&mut cri, "living");
    let ended = machine.pod(&mut cri, "ended");
    let used = "evictd.test/used:1";
    let quick = "echo done";
    let older = cri.run_to_end(&living, "app", 0, used, quick).unwrap();
    let previous = cri.run_to_end(&living, "app", 1, used, quick).unwrap();
    let running = cri.start(&living, "app", 2, used, "exec sleep 1000").unwrap();
    let init = cri.run_to_end(&ended, "init", 0, "evictd.test/once:1", quick).unwrap();
    let last = cri.run_to_end(&ended, "app", 0, "evictd.test/once:1", quick).unwrap();
    cri.stop_pod(&ended).unwrap();
    let log = |pod: &PodSandbox, name, attempt| cri.log_of(pod, name, attempt);
    let logs = [log(&living, "app", 0), log(&ended, "init", 0), log(&ended, "app", 0)];
    let kept_logs = [log(&living, "app", 1), log(&living, "app", 2)];
    let rotated = logs[2].with_file_name("0.log.20261123-050152");
    let kept_rotated = kept_logs[1].with_file_name("2.log.20261123-050152");
    for path in [&rotated, &kept_rotated] {
        fs::write(path, "old").unwrap();
    }
    thread::sleep(SETTLED + Duration::from_secs(1));

    let mut listener = Listener::at(machine.containerd.socket());
    assert_eq!(listener.reached(), "containerd");
    let (images_at, containers_at) = listener.filesystems();
    assert!(images_at.starts_with(machine.node.nodefs_root()), "{}", images_at.display());
    assert_eq!(images_at, containers_at);

    let before = (containers(&mut cri), images(&mut cri));
    let pretended = listener.carry_out(machine.order(Goal::Everything, true));
    assert_eq!((containers(&mut cri), images(&mut cri)), before, "observe mode touches nothing");
    assert!(rotated.exists());

    let done = listener.carry_out(machine.order(Goal::Everything, false));
    assert_eq!((done.number, &done.problem), (7, &None));
    let freed = names(&done.freed);
    let expected_first = ["0.log.20261123-050152", &older, &init, &last];
    assert_eq!(freed[..4], expected_first, "oldest first");
    // The image of an ended container was seen in use before, the idle one never was.
    assert_eq!(freed[4..], ["evictd.test/idle:1", "evictd.test/once:1"]);
    assert_eq!(names(&pretended.freed), freed, "as it was told before");
    assert_eq!(containers(&mut cri), BTreeSet::from([previous, running]));
    assert_eq!(images(&mut cri), BTreeSet::from([used.to_owned(), PAUSE.to_owned()]));
    assert!(logs.iter().all(|log| !log.exists()), "logs go with their containers");
    assert!(kept_logs.iter().chain([&kept_rotated]).all(|log| log.exists()));
}

#[test]
fn strict_semantics_free_no_more_than_is_needed() {
    let _alone = common::alone();
    let Some(mut machine) = Machine::start() else { return };
    let idle: Vec<_> = (0..3).map(|i| format!("evictd.test/idle{i}:1")).collect();
    for image in &idle {
        machine.containerd.import(image, 20).unwrap();
    }
    let mut listener = Listener::at(machine.containerd.socket());
    listener.reached();
    let signal = Signal::NodefsAvailable;
    let path = machine.node.nodefs_root().to_owned();
    // An image takes twice its size: as it came, and unpacked.
    let goal = Goal::Until { path, signal, available: machine.available() + 30 * MIB };
    let done = listener.carry_out(machine.order(goal.clone(), false));
    assert_eq!(done.problem, None);
    assert_eq!(done.freed.len(), 1, "{:?}", done.freed);
    let again = listener.carry_out(machine.order(goal, false));
    assert_eq!(again.freed, [], "it is enough already");
    assert_eq!(images(&mut machine.cri()).len(), 1 + 2);
}

#[test]
fn a_runtime_that_hangs_costs_its_deadline() {
    let _alone = common::alone();
    let Some(machine) = Machine::start() else { return };
    let mut listener = Listener::at(machine.containerd.socket());
    listener.reached();
    listener.filesystems();
    machine.containerd.hang().unwrap();
    let done = listener.carry_out(machine.order(Goal::Everything, false));
    assert!(done.is_silent && done.freed.is_empty(), "{done:?}");
    let problem = done.problem.unwrap();
    assert!(problem.ends_with("did not answer ListImages within 2s"), "{problem}");
    machine.containerd.resume().unwrap();
    let done = listener.carry_out(machine.order(Goal::Everything, false));
    assert_eq!(done.problem, None, "it is asked again");
}

#[test]
fn who_is_no_runtime_is_named() {
    let _alone = common::alone();
    let dir = std::env::temp_dir().join(format!("evictd-node-{}-sockets", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let missing = dir.join("missing.sock");
    let reason = Listener::at(&missing).lost();
    let expected = format!(
        "the container runtime at {} cannot be reached: No such file or directory",
        missing.display()
    );
    assert!(reason.starts_with(&expected), "{reason}");

    let http = dir.join("http.sock");
    let server = UnixListener::bind(&http).unwrap();
    thread::spawn(move || {
        for mut client in server.incoming().flatten() {
            // Whether it is heard does not matter.
            let _ = client.read(&mut [0; 64]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let reason = Listener::at(&http).lost();
    let expected = format!("{} is no container runtime's socket", http.display());
    assert!(reason.starts_with(&expected), "{reason}");

    if let Some(programs) = Programs::find() {
        let containerd = Containerd::start_without_cri(&programs, &dir.join("bare")).unwrap();
        let reason = Listener::at(containerd.socket()).lost();
        assert!(reason.contains("is no container runtime's socket"), "{reason}");
        assert!(reason.contains("unknown service runtime.v1.RuntimeService"), "{reason}");
    }
    fs::remove_dir_all(&dir).unwrap();
}
