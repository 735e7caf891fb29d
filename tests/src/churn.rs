//! Pods that come, do a known amount of work, and go.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use evictd_common::{DEPARTED_CGROUP, kernel_dev};
use rustix::{
    fs::{major, minor},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::{
    cgroup::Cgroup,
    container::{enter, tool},
    kernel_maps::KernelMaps,
    manifest::{Identity, PodSpec, Qos, StorageLimits},
    node::Node,
    pod::write_whole,
};

/// What each container writes: so many blocks of so many bytes.
const BLOCKS: u64 = 24;
const BLOCK_BYTES: u64 = 1000;
/// What is written into its log for it.
const LOG_LINE: &[u8] = b"2026-01-01T00:00:00.000000000Z stdout F ready\n";
/// Children that it forks, and the one that every workload forks to contain itself.
const FORKS: u64 = 5;
const OWN_FORKS: u64 = 1;

const SPEC: PodSpec = PodSpec {
    namespace: "churn",
    name: "short",
    qos: Qos::Burstable,
    priority: 0,
    memory_mib: 8,
    disk_mib: 8,
    work: &[],
    empty_dir: false,
    limits: StorageLimits::NONE,
    is_static: false,
};

/// What has been done, and what the kernel's counters made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Containers that came and went.
    pub containers: u64,
    /// Bytes that they wrote, and that were written into their logs.
    pub bytes: u64,
    /// Tasks that they forked.
    pub forks: u64,
    /// Tasks of these that their cgroups' counters had not counted when they ended.
    pub missed_forks: u64,
}

/// A pod with one container that is at work.
#[derive(Debug)]
pub struct ShortPod {
    cgroup: Cgroup,
    container: Cgroup,
    log_dir: PathBuf,
    file: PathBuf,
    manifest: PathBuf,
    child: Child,
}

/// Makes pods and removes them, beside an evictd that watches.
pub struct Churn<'a> {
    node: &'a Node,
    maps: KernelMaps,
    dev: u32,
    evictd: u32,
    /// What evictd held before.
    files_before: usize,
    departed_before: u64,
    written_before: u64,
    /// Cgroups that are gone.
    gone: BTreeSet<u64>,
    totals: Totals,
}

/// What is left of pods that are gone, once it has settled.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Left {
    /// Keys of their cgroups in any map.
    pub stale_keys: usize,
    /// Keys of their log directories.
    pub stale_logs: usize,
    /// Files that evictd holds open beyond those of before.
    pub files: i64,
    /// Bytes that the counters lack.
    pub lost_bytes: i64,
    /// Forks that the sum of what is gone lacks.
    pub lost_forks: u64,
}

impl Left {
    /// Nothing is left, and nothing was lost.
    pub fn is_clean(&self) -> bool {
        let Self { stale_keys, stale_logs, files, lost_bytes, lost_forks } = *self;
        stale_keys == 0 && stale_logs == 0 && files <= 0 && lost_bytes == 0 && lost_forks == 0
    }
}

impl<'a> Churn<'a> {
    /// Beside the evictd with this process id, which watches the node and knows no pods.
    pub fn new(node: &'a Node, evictd: u32) -> Result<Self> {
        let maps = KernelMaps::of_process(evictd)?;
        let dev = node.nodefs_root().metadata()?.dev();
        let dev = kernel_dev(major(dev), minor(dev));
        Ok(Self {
            node,
            files_before: open_files(evictd)?,
            departed_before: maps.forks(DEPARTED_CGROUP).unwrap_or(0),
            written_before: maps.written(dev)?,
            maps,
            dev,
            evictd,
            gone: BTreeSet::new(),
            totals: Totals::default(),
        })
    }

    /// What has been done so far.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Makes a pod as the kubelet does, and starts its container.
    pub fn start(&mut self) -> Result<ShortPod> {
        let identity = Identity::random()?;
        let manifest = self.node.manifests_dir().join(format!("churn-{}.yaml", identity.uid));
        write_whole(&manifest, &SPEC.manifest(&identity))?;
        let class = self.node.kubepods().at("burstable");
        let cgroup = class.child(&format!("pod{}", identity.uid))?;
        let log_dir = self.node.pod_logs_dir();
        let log_dir = log_dir.join(format!("{}_{}_{}", SPEC.namespace, SPEC.name, identity.uid));
        fs::create_dir_all(log_dir.join("app"))?;
        let container = cgroup.child(&identity.app)?;
        let file = self.node.nodefs_root().join(&identity.uid);
        let mut command = Command::new(tool("evictd-workload")?);
        command.args(["live-exactly", "--file"]).arg(&file);
        for (name, value) in [("bytes", BLOCK_BYTES), ("count", BLOCKS), ("forks", FORKS)] {
            command.arg(format!("--{name}")).arg(value.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        enter(&mut command, &container)?;
        let child = command.spawn().context("starting evictd-workload")?;
        Ok(ShortPod { cgroup, container, log_dir, file, manifest, child })
    }

    /// Waits for the end of its work and removes the pod.
    pub fn finish(&mut self, mut pod: ShortPod) -> Result<()> {
        let path = pod.log_dir.join("app/0.log");
        OpenOptions::new().create(true).append(true).open(path)?.write_all(LOG_LINE)?;
        let status = pod.child.wait()?;
        ensure!(status.success(), "the workload failed: {status}");
        let id = pod.container.inode()?;
        let forks = FORKS + OWN_FORKS;
        self.totals.missed_forks += forks.abs_diff(self.maps.forks(id).unwrap_or(0));
        self.totals.containers += 1;
        self.totals.forks += forks;
        self.totals.bytes += BLOCKS * BLOCK_BYTES + LOG_LINE.len() as u64;
        self.gone.extend([id, pod.cgroup.inode()?]);
        fs::remove_file(&pod.manifest)?;
        fs::remove_file(&pod.file)?;
        fs::remove_dir_all(&pod.log_dir)?;
        pod.cgroup.remove()
    }

    /// Waits until nothing is left of the pods, at most so long, and gives what is.
    pub fn settle(&mut self, patience: Duration) -> Result<Left> {
        let deadline = Instant::now() + patience;
        loop {
            // A run of writes is posted when another begins on its CPU.
            self.write_on_each_cpu()?;
            let left = self.left()?;
            if left.is_clean() || Instant::now() > deadline {
                return Ok(left);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn left(&self) -> Result<Left> {
        let written = self.maps.written(self.dev)? - self.written_before;
        let departed = self.maps.forks(DEPARTED_CGROUP).unwrap_or(0) - self.departed_before;
        let files = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Ok(Left {
            stale_keys: self.maps.cgroups().intersection(&self.gone).count(),
            stale_logs: self.maps.log_directories().len(),
            files: files(open_files(self.evictd)?) - files(self.files_before),
            lost_bytes: self.totals.bytes.wrapping_sub(written) as i64,
            // Others' cgroups go, too: there may be more.
            lost_forks: self.totals.forks.saturating_sub(departed),
        })
    }

    fn write_on_each_cpu(&mut self) -> Result<()> {
        let allowed = sched_getaffinity(None)?;
        let path = self.node.nodefs_root().join("settle");
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)) {
            let mut one = CpuSet::new();
            one.set(cpu);
            sched_setaffinity(None, &one)?;
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(b"settle")?;
            self.totals.bytes += 6;
        }
        Ok(sched_setaffinity(None, &allowed)?)
    }
}

fn open_files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
