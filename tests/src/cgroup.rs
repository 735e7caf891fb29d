//! One cgroup in every hierarchy in use, under the same relative path.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::hierarchies::Hierarchies;

/// How long emptying and removing a cgroup may take.
const CLEANUP_TIME: Duration = Duration::from_secs(5);

/// A cgroup of the sandbox.
#[derive(Clone, Debug)]
pub struct Cgroup {
    hierarchies: Arc<Hierarchies>,
    relative: PathBuf,
}

impl Cgroup {
    /// The roots of the hierarchies.
    pub fn root(hierarchies: Arc<Hierarchies>) -> Self {
        Self { hierarchies, relative: PathBuf::new() }
    }

    /// The cgroup `name` below this one, whether it exists or not.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        Self { hierarchies: Arc::clone(&self.hierarchies), relative: self.relative.join(name) }
    }

    /// Makes a cgroup below this one. On pure v2 the controllers are passed on.
    pub fn child(&self, name: &str) -> Result<Self> {
        if self.hierarchies.is_pure_v2() {
            self.pass_controllers_on()?;
        }
        let child = self.at(name);
        for dir in child.dirs() {
            match fs::create_dir(&dir) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(e).with_context(|| format!("making cgroup {}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(child)
    }

    fn pass_controllers_on(&self) -> Result<()> {
        for dir in self.dirs() {
            let control = dir.join("cgroup.subtree_control");
            let enabled = fs::read_to_string(&control).unwrap_or_default();
            for controller in ["memory", "pids", "cpu"] {
                if !enabled.split_whitespace().any(|c| c == controller) {
                    let passed = fs::write(&control, format!("+{controller}"));
                    // Some kernels refuse cpu while real-time tasks exist; nothing depends on it.
                    if controller != "cpu" {
                        passed
                            .with_context(|| format!("+{controller} to {}", control.display()))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The path below the mount points, as evictd's `cgroupRoot` wants it.
    pub fn relative(&self) -> &Path {
        &self.relative
    }

    /// The directory in each hierarchy.
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.hierarchies.roots().into_iter().map(|root| root.join(&self.relative)).collect()
    }

    /// A file of `controller`: `v1` where that hierarchy is mounted, else `v2`. The flag says v1.
    pub fn file(&self, controller: &str, v1: &str, v2: &str) -> (PathBuf, bool) {
        match (self.hierarchies.v1_root(controller), &self.hierarchies.v2) {
            (Some(root), _) => (root.join(&self.relative).join(v1), true),
            (None, Some(root)) => (root.join(&self.relative).join(v2), false),
            (None, None) => (PathBuf::from(v2), false),
        }
    }

    /// Limits memory, without swap.
    pub fn limit_memory(&self, bytes: u64) -> Result<()> {
        let (path, v1) = self.file("memory", "memory.limit_in_bytes", "memory.max");
        fs::write(&path, bytes.to_string()).with_context(|| path.display().to_string())?;
        let swap = if v1 { "memory.memsw.limit_in_bytes" } else { "memory.swap.max" };
        let (path, value) = (path.with_file_name(swap), if v1 { bytes } else { 0 });
        if path.exists() {
            fs::write(&path, value.to_string()).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Limits the number of tasks.
    pub fn limit_tasks(&self, max: u64) -> Result<()> {
        let (path, _) = self.file("pids", "pids.max", "pids.max");
        fs::write(&path, max.to_string()).with_context(|| path.display().to_string())
    }

    /// The `cgroup.procs` files, open for writing: a child joins by writing "0" to each.
    pub fn procs(&self) -> Result<Vec<File>> {
        let open = |dir: PathBuf| {
            let path = dir.join("cgroup.procs");
            OpenOptions::new().write(true).open(&path).with_context(|| path.display().to_string())
        };
        self.dirs().into_iter().map(open).collect()
    }

    /// Inode of the directory in the hierarchy that gives identity (v2, else the first).
    pub fn inode(&self) -> Result<u64> {
        let dir = self.dirs().into_iter().next().context("no hierarchy")?;
        Ok(fs::metadata(&dir).with_context(|| dir.display().to_string())?.ino())
    }

    /// Processes in this cgroup and below.
    pub fn processes(&self) -> Vec<Pid> {
        let mut found = Vec::new();
        for dir in self.dirs() {
            for dir in subtree(&dir) {
                let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
                found.extend(text.lines().filter_map(|l| l.parse().ok()).filter_map(Pid::from_raw));
            }
        }
        found.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
        found.dedup();
        found
    }

    /// Tasks that the OOM killer took in this cgroup and below, since they were made.
    pub fn oom_kills(&self) -> u64 {
        let (path, v1) = self.file("memory", "memory.oom_control", "memory.events");
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        // On v2 the count includes the descendants; on v1 each cgroup has its own.
        let dirs = if v1 { subtree(&dir) } else { vec![dir] };
        let name = path.file_name().unwrap_or_default();
        dirs.iter().filter_map(|dir| figure(&dir.join(name), "oom_kill")).sum()
    }

    /// What its memory limit did to it, by the kernel's names of events, as far as this hierarchy counts.
    pub fn memory_events(&self) -> BTreeMap<&'static str, u64> {
        let (path, v1) = self.file("memory", "memory.oom_control", "memory.events");
        let kinds: &[&str] = if v1 { &["oom_kill"] } else { &["high", "max", "oom", "oom_kill"] };
        let mut events: BTreeMap<_, _> =
            kinds.iter().filter_map(|kind| Some((*kind, figure(&path, kind)?))).collect();
        let failures = fs::read_to_string(path.with_file_name("memory.failcnt"));
        events.extend(failures.ok().and_then(|text| Some(("max", text.trim().parse().ok()?))));
        events
    }

    /// Kills every process in this cgroup and below and waits until none is left.
    pub fn kill_all(&self) -> Result<()> {
        let deadline = Instant::now() + CLEANUP_TIME;
        loop {
            for dir in self.dirs() {
                // Not there on v1 and before 5.14; the sweep below does it then.
                let _ = fs::write(dir.join("cgroup.kill"), "1");
            }
            let left = self.processes();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} processes in {} do not die", left.len(), self.relative.display());
            }
            for pid in left {
                // Gone already is fine.
                let _ = kill_process(pid, Signal::KILL);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills what runs in this cgroup and below and removes all of it. Idempotent.
    pub fn remove(&self) -> Result<()> {
        self.kill_all()?;
        let deadline = Instant::now() + CLEANUP_TIME;
        for dir in self.dirs() {
            for dir in subtree(&dir).iter().rev() {
                remove_empty(dir, deadline)
                    .with_context(|| format!("removing cgroup {}", dir.display()))?;
            }
        }
        Ok(())
    }
}

/// Removes one cgroup. The last task is off the list a moment before it has left the cgroup.
fn remove_empty(dir: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match fs::remove_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            done => return done,
        }
    }
}

/// `dir` and every directory below it, parents first.
fn subtree(dir: &Path) -> Vec<PathBuf> {
    let mut dirs = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(dir) = dirs.get(next).cloned() {
        next += 1;
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        dirs.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
    }
    dirs
}

/// The number after `key` in a flat keyed file.
fn figure(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}
