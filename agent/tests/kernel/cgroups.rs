//! A kubelet-like cgroup tree for one test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use evictd::{
    config::Protect,
    pods::{CgroupDriver, CgroupTree, ManifestDirectory, NodeLayout, PodIndex, PodSource},
    sample::{CgroupKind, CgroupMounts},
};
use tempfile::TempDir;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The hierarchies of this machine that a test wants evictd to use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    All,
    /// v2 alone.
    V2,
    /// v1 alone, as on a machine without v2.
    V1,
    V1WithoutFreezer,
}

pub(crate) struct Sandbox {
    root: String,
    mounts: CgroupMounts,
    pub(crate) files: TempDir,
}

impl Sandbox {
    /// `None`, and a line that says why, where the test cannot run.
    pub(crate) fn new(wanted: Use) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("cannot run here: making cgroups needs root");
            return None;
        }
        let mut mounts = CgroupMounts::detect(Path::new("/proc/mounts")).expect("cgroups");
        if wanted == Use::V2 {
            (mounts.memory, mounts.pids, mounts.freezer) = (None, None, None);
            if mounts.unified.is_none() {
                println!("cannot run here: cgroup v2 is not mounted");
                return None;
            }
        }
        if matches!(wanted, Use::V1 | Use::V1WithoutFreezer) {
            if mounts.kind == CgroupKind::V2 {
                println!("cannot run here: no cgroup v1 hierarchy is mounted");
                return None;
            }
            mounts.kind = CgroupKind::V1;
            mounts.unified = None;
        }
        if wanted == Use::V1WithoutFreezer {
            mounts.freezer = None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let sandbox = Self {
            root: format!("evictd-test-{}-{number}", std::process::id()),
            mounts,
            files: tempfile::tempdir().expect("temporary directory"),
        };
        for dir in ["pods", "logs", "kubelet"] {
            fs::create_dir(sandbox.files.path().join(dir)).expect("mkdir");
        }
        sandbox.make("kubepods/besteffort");
        Some(sandbox)
    }

    pub(crate) const fn mounts(&self) -> &CgroupMounts {
        &self.mounts
    }

    /// Each hierarchy's root of this test.
    fn roots(&self) -> Vec<PathBuf> {
        let m = &self.mounts;
        let mounts = [&m.unified, &m.memory, &m.pids, &m.freezer];
        let mut roots: Vec<_> = mounts.into_iter().flatten().map(|p| p.join(&self.root)).collect();
        roots.dedup();
        roots
    }

    /// Makes the cgroup at `path` below the test's root in every hierarchy, with those above it.
    pub(crate) fn make(&self, path: &str) {
        for root in self.roots() {
            let cgroup = root.join(path);
            let above = cgroup.ancestors().take(Path::new(path).iter().count() + 1);
            for dir in above.collect::<Vec<_>>().into_iter().rev().filter(|dir| !dir.exists()) {
                self.enable_controllers(dir.parent().expect("below the mount"));
                fs::create_dir(dir).expect("mkdir");
            }
        }
    }

    /// On v2 alone, children have only the controllers their parent hands down.
    fn enable_controllers(&self, dir: &Path) {
        if self.mounts.kind == CgroupKind::V2 {
            let file = dir.join("cgroup.subtree_control");
            let enabled = fs::read_to_string(&file).expect("read");
            if !(enabled.contains("memory") && enabled.contains("pids")) {
                fs::write(file, "+memory +pids").expect("enable controllers");
            }
        }
    }

    /// Removes an empty cgroup in every hierarchy.
    pub(crate) fn remove(&self, path: &str) {
        for root in self.roots() {
            fs::remove_dir(root.join(path)).expect("rmdir");
        }
    }

    /// Writes to the file of that controller's hierarchy; v2 and v1 may name it differently.
    pub(crate) fn set(&self, controller: &str, path: &str, v2: &str, v1: &str, value: &str) {
        let m = &self.mounts;
        let v1_mount = if controller == "memory" { &m.memory } else { &m.pids };
        let (mount, file) = match (v1_mount, &m.unified) {
            (Some(mount), _) => (mount, v1),
            (None, Some(mount)) => (mount, v2),
            (None, None) => panic!("no {controller} controller"),
        };
        fs::write(mount.join(&self.root).join(path).join(file), value).expect("write");
    }

    /// The files that put a process into the cgroup at `path`, in every hierarchy.
    pub(crate) fn entrances(&self, path: &str) -> Vec<fs::File> {
        self.roots()
            .iter()
            .map(|root| root.join(path).join("cgroup.procs"))
            .map(|file| fs::OpenOptions::new().write(true).open(file).expect("open"))
            .collect()
    }

    /// As [`Self::entrances`], but of v1 hierarchies only.
    pub(crate) fn v1_entrances(&self, path: &str) -> Vec<fs::File> {
        let skip = usize::from(self.mounts.unified.is_some());
        self.entrances(path).split_off(skip)
    }

    /// Inode of the cgroup at `path` in the identifying hierarchy.
    pub(crate) fn inode(&self, path: &str) -> u64 {
        let mount = self.mounts.identity().expect("identity");
        rustix::fs::stat(mount.join(&self.root).join(path)).expect("stat").st_ino
    }

    /// Writes a manifest of a best-effort pod and makes its cgroup with one container.
    pub(crate) fn add_pod(&self, uid: &str, annotations: &str) -> String {
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {uid}, namespace: test, uid: {uid}, \
             annotations: {annotations}}}\nspec: {{containers: [{{name: c}}], \
             volumes: [{{name: data, emptyDir: {{}}}}]}}\n"
        );
        fs::write(self.files.path().join(format!("pods/{uid}.yaml")), manifest).expect("write");
        let cgroup = format!("kubepods/besteffort/pod{uid}");
        self.make(&format!("{cgroup}/c"));
        cgroup
    }

    pub(crate) fn layout(&self) -> NodeLayout {
        let path = |name| self.files.path().join(name);
        NodeLayout {
            root_directory: path("kubelet"),
            pod_logs_dir: path("logs"),
            cgroup_root: Path::new("/").join(&self.root),
            driver: CgroupDriver::Cgroupfs,
        }
    }

    pub(crate) fn tree(&self) -> CgroupTree {
        CgroupTree::open(&self.mounts, &self.layout().pods_cgroup()).expect("tree")
    }

    pub(crate) fn index(&self) -> PodIndex {
        let manifests = ManifestDirectory::new(self.files.path().join("pods"));
        let source = PodSource::Manifests(manifests);
        PodIndex::open(source, self.layout(), Protect::default(), self.tree()).expect("index")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut roots = self.roots();
        // All hierarchies in turn: what one of them holds frozen, another cannot let go.
        loop {
            roots.iter().for_each(|root| remove_below(root));
            roots.retain(|root| root.exists());
            if roots.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                break;
            }
            std::thread::yield_now();
        }
        // A panic during a panic would hide the first.
        assert!(std::thread::panicking(), "left behind: {roots:?}");
        eprintln!("left behind: {roots:?}");
    }
}

/// Kills and removes what it can of the cgroups at and below `dir`.
fn remove_below(dir: &Path) {
    for (file, text) in [("cgroup.kill", "1"), ("freezer.state", "THAWED")] {
        if dir.join(file).exists() {
            let _ = fs::write(dir.join(file), text);
        }
    }
    for pid in fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_below(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}
