//! A node with the pods that a test wants, and what evictd says of their disk usage.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use evictd_tests::{
    evictd::{self, Ended, Evictd, Options},
    inbox::Inbox,
    manifest::{PodSpec, Qos, StorageLimits},
    node::Node,
    pod::Pod,
    runtime::Runtime,
};
use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Fields are dropped in order: evictd first, the node last.
pub(crate) struct SmallNode {
    pub(crate) evictd: Option<Evictd>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) runtime: Runtime,
    pub(crate) node: Node,
    pub(crate) inbox: Inbox,
}

/// A pod that does nothing, with an emptyDir.
pub(crate) const fn idle(name: &'static str) -> PodSpec {
    PodSpec {
        namespace: "disk",
        name,
        qos: Qos::BestEffort,
        priority: 0,
        memory_mib: 0,
        disk_mib: 0,
        work: &["idle", "--mib", "1", "--lifetime", "300"],
        empty_dir: true,
        limits: StorageLimits::NONE,
        is_static: false,
    }
}

impl SmallNode {
    /// Node, runtime and pods, without evictd.
    pub(crate) fn start(specs: &[PodSpec]) -> Self {
        let node = Node::create().unwrap();
        let mut inbox = Inbox::default();
        let mut runtime = Runtime::start(&node, &inbox).unwrap();
        let pods =
            specs.iter().map(|spec| Pod::start(spec, &node, &mut runtime, &mut inbox).unwrap());
        let pods = pods.collect();
        Self { evictd: None, pods, runtime, node, inbox }
    }

    /// Starts evictd in observe mode. False, with the reason told, where it does not count blocks.
    pub(crate) fn start_evictd(&mut self) -> bool {
        let options = Options::new(&super::evictd_binary(), "observe");
        let cgroup = self.node.system().child("evictd").unwrap();
        let evictd = Evictd::start(&self.node, &cgroup, &mut self.inbox, &options).unwrap();
        let counts = evictd.started().nodefs.usage_by == "space";
        self.evictd = Some(evictd);
        if !counts {
            println!("cannot run here: blocks are not counted on this kernel");
        }
        counts
    }

    pub(crate) fn stop(mut self) -> Ended {
        let ended = self.evictd.take().unwrap().stop(&mut self.inbox).unwrap();
        assert!(ended.status.success(), "{}", ended.status);
        ended
    }

    /// A reading of everything, as `evictd top` gets it.
    pub(crate) fn reading(&self) -> Value {
        let mut stream = UnixStream::connect(evictd::socket(&self.node)).unwrap();
        writeln!(stream, r#"{{"request":"state"}}"#).unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert!(reply["state"].is_object(), "{reply}");
        reply["state"].clone()
    }

    /// What evictd holds a pod to use.
    pub(crate) fn disk(&self, pod: usize) -> Value {
        let reading = self.reading();
        let disks = reading["disks"].as_array().unwrap();
        let uid = self.pods[pod].uid();
        disks.iter().find(|disk| disk["uid"] == uid).cloned().unwrap_or(Value::Null)
    }

    /// Waits until evictd says that of a pod.
    pub(crate) fn wait_disk(
        &self,
        pod: usize,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let disk = self.disk(pod);
            if holds(&disk) {
                return disk;
            }
            assert!(Instant::now() < deadline, "{what}: {disk}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a pod's usage agrees with what its directories hold and `deleted` bytes beside: within
    /// one per cent, or a block or two.
    pub(crate) fn assert_agrees(&self, pod: usize, deleted: u64, what: &str) -> Value {
        let (volume, logs) = (self.pods[pod].volume_dir(), self.pods[pod].log_dir().to_owned());
        let agrees = |disk: &Value, part: &str, real: u64| {
            disk[part].as_u64().is_some_and(|told| told.abs_diff(real) <= real / 100 + 8192)
        };
        let disk = self.wait_disk(pod, what, |disk| {
            let (volume, logs) = (du(&volume) + 4096 + deleted, du(&logs));
            agrees(disk, "volumes", volume) && agrees(disk, "logs", logs)
        });
        println!("{what}: {disk}; du {} and {}", du(&volume), du(&logs));
        disk
    }
}

/// Bytes of blocks below a directory, itself left out.
pub(crate) fn du(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        // What is deleted meanwhile holds nothing.
        let Ok(found) = entry.metadata() else { continue };
        sum += found.blocks() * 512;
        if found.is_dir() {
            sum += du(&entry.path());
        }
    }
    sum
}
