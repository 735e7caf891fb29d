//! A container: a process that is in its cgroups before it runs, with its stdout at the runtime.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Signal, set_parent_process_death_signal},
};

use crate::{
    cgroup::Cgroup,
    inbox::Inbox,
    runtime::{Reply, Runtime, wait_reply},
};

/// How long the runtime and the workloads may take to get ready.
pub const TOOLS_PATIENCE: Duration = Duration::from_secs(90);

/// A running container. Killed and reaped on drop.
#[derive(Debug)]
pub struct Container {
    id: String,
    cgroup: Cgroup,
    child: Child,
    fifo: PathBuf,
}

/// Where a container is put.
#[derive(Debug)]
pub struct Placement<'a> {
    /// Container id.
    pub id: &'a str,
    /// The pod's cgroup; the container's is made below it.
    pub pod_cgroup: &'a Cgroup,
    /// The container's log directory; made if it is not there.
    pub log_dir: &'a Path,
    /// Where its stdout pipe is made.
    pub fifos_dir: &'a Path,
}

impl Container {
    /// Makes log directory, cgroup and pipe, then starts `evictd-workload ARGS`, as the kubelet
    /// and the runtime do.
    pub fn start(
        at: &Placement<'_>,
        args: &[String],
        runtime: &mut Runtime,
        inbox: &mut Inbox,
    ) -> Result<Self> {
        fs::create_dir_all(at.log_dir).with_context(|| at.log_dir.display().to_string())?;
        let cgroup = at.pod_cgroup.child(at.id)?;
        let fifo = at.fifos_dir.join(at.id);
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .with_context(|| format!("making {}", fifo.display()))?;
        // Open for both, so that neither side waits for the other.
        let both = OpenOptions::new().read(true).write(true).open(&fifo)?;
        runtime.attach(inbox, at.id, &fifo, &at.log_dir.join("0.log"))?;
        let stdout = OpenOptions::new().write(true).open(&fifo)?;
        drop(both);

        let mut command = Command::new(tool("evictd-workload")?);
        command.args(args).stdin(Stdio::null()).stdout(stdout).process_group(0);
        enter(&mut command, &cgroup)?;
        let child = command.spawn().context("starting evictd-workload")?;
        Ok(Self { id: at.id.to_owned(), cgroup, child, fifo })
    }

    /// Waits for the workload's first line: it holds its memory and its processes then.
    pub fn wait_ready(&self, inbox: &mut Inbox, from: usize) -> Result<()> {
        wait_reply(inbox, from, "a workload's first line", &self.id, |reply| {
            matches!(reply, Reply::FirstLine { .. }).then_some(())
        })
    }

    /// Container id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// The exit code of its first process, once that has ended by itself.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten()?.code()
    }

    /// True until its first process has ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Err(e) = self.cgroup.kill_all() {
            eprintln!("cleaning up: {e:#}");
        }
        // Already dead; this reaps it.
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.fifo);
    }
}

/// Has the child of `command` join `cgroup` in every hierarchy before it executes, and die with us.
pub fn enter(command: &mut Command, cgroup: &Cgroup) -> Result<()> {
    let procs: Vec<File> = cgroup.procs()?;
    let join = move || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        for file in &procs {
            rustix::io::write(file.as_fd(), b"0")?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec, `join` only makes system calls on descriptors opened before.
    unsafe { command.pre_exec(join) };
    Ok(())
}

/// The path of one of this crate's programs: beside the running one, or one directory up (tests run
/// in `deps/`).
pub fn tool(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("finding the running program")?;
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|p| p.is_file());
    match found {
        Some(path) => Ok(path),
        None => {
            bail!("{name} is not beside {} (build it: cargo build -p evictd-tests)", own.display())
        }
    }
}
