//! A server process: started, stopped, killed, frozen; what it says goes to a file.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// How long a server may take to end after SIGTERM before it is killed: open watches hold it up.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Lines of its log that an error carries.
const TAIL: usize = 15;

/// A running server. Killed and reaped on drop, and when the thread that started it ends.
#[derive(Debug)]
pub(super) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    pub(super) fn start(name: &'static str, command: &mut Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let appended = File::options().create(true).append(true).open(&log);
        let appended = appended.with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(appended.try_clone()?).stderr(appended);
        command.current_dir(dir).process_group(0);
        let die_with_parent =
            || Ok::<(), io::Error>(set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: between fork and exec it makes one system call and touches no memory of ours.
        unsafe { command.pre_exec(die_with_parent) };
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child, log })
    }

    /// Its exit status, if it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGTERM, and SIGKILL if that does not end it soon.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + STOP_GRACE;
        while self.ended().is_none() {
            if Instant::now() > deadline {
                return self.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// SIGKILL, as a crash.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait().with_context(|| format!("waiting for {}", self.name))?;
        Ok(())
    }

    /// SIGSTOP: connections are taken by the kernel and never answered.
    pub(super) fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(super) fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("the process id of {}", self.name))?;
        kill_process(pid, signal).with_context(|| format!("{signal:?} to {}", self.name))
    }

    /// An error that says what happened to it, with the end of its log.
    pub(super) fn complaint(&self, what: &str) -> anyhow::Error {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        anyhow::anyhow!("{} {what}; it said:\n{tail}", self.name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Already gone is fine.
            let _ = self.kill();
        }
    }
}
