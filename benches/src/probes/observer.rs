//! Who looks on while the work is done: nobody, evictd, or a tool of its kind.

use std::{
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// A tool that is not attached by then does not run here.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a tool may take to end when asked; then it is killed.
const UNTIL_GONE: Duration = Duration::from_secs(5);
/// The tools want tracefs where distributions mount it. Mounted for the tool alone where it is not.
const WITH_TRACEFS: &str = "mountpoint -q /sys/kernel/tracing || \
     mount -t tracefs tracefs /sys/kernel/tracing; exec \"$@\"";

/// A tool that attributes writes, and how a line begins that tells that it is attached.
pub(super) struct Tool {
    pub(super) name: &'static str,
    command: &'static [&'static str],
    ready: &'static str,
}

/// bpftrace attaches the probe that says so last.
macro_rules! one_liner {
    ($probe:literal) => {
        &["bpftrace", "-e", concat!($probe, " interval:ms:500 { printf(\"ready\\n\"); }")]
    };
}

pub(super) const TOOLS: [Tool; 6] = [
    Tool { name: "bcc filetop", command: &["filetop-bpfcc", "-C", "1"], ready: "Tracing" },
    Tool { name: "libbpf filetop", command: &["filetop", "-C", "1"], ready: "TID" },
    Tool {
        name: "bpftrace vfs_write",
        command: one_liner!("kprobe:vfs_write { @[cgroup] = sum(arg2); }"),
        ready: "ready",
    },
    Tool {
        name: "bpftrace vfs_write (fentry)",
        command: one_liner!("kfunc:vfs_write { @[cgroup] = sum(args->count); }"),
        ready: "ready",
    },
    Tool {
        name: "bpftrace sys_enter_write",
        command: one_liner!(
            "tracepoint:syscalls:sys_enter_write { @[cgroup] = sum(args->count); }"
        ),
        ready: "ready",
    },
    Tool {
        name: "bpftrace ext4_da_write_end",
        command: one_liner!("tracepoint:ext4:ext4_da_write_end { @[cgroup] = sum(args->copied); }"),
        ready: "ready",
    },
];

/// A tool that is attached; ended when dropped.
pub(super) struct Attached(Child);

impl Tool {
    /// Starts it and waits until it is attached. The error is why it does not run here.
    pub(super) fn start(&self) -> Result<Attached> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", WITH_TRACEFS, "sh"]).args(self.command);
        command.env("PYTHONUNBUFFERED", "1").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: the closure makes one system call and does not allocate.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut attached = Attached(command.spawn().context("unshare")?);
        let (said, lines) = mpsc::channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            attached.0.stdout.take().map(|stream| Box::new(stream) as _),
            attached.0.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let said = said.clone();
            // Reads to the end: a tool whose pipe is full stops.
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _nobody_listens_any_more = said.send(line);
                }
            });
        }
        drop(said);
        let deadline = Instant::now() + PATIENCE;
        let mut complaint = None;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.trim_start().starts_with(self.ready) => return Ok(attached),
                Ok(line) if is_complaint(&line) => complaint = Some(line),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => bail!("not attached in {PATIENCE:?}"),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("{}", complaint.as_deref().unwrap_or("it ends at once").trim())
                }
            }
        }
    }
}

/// Whether a line may say why a tool does not run. The limit on locked memory does not matter since
/// Linux 5.11.
fn is_complaint(line: &str) -> bool {
    let says = |word: &str| line.to_lowercase().contains(word);
    ["error", "fail", "unable", "not found", "no such"].iter().any(|word| says(word))
        && !says("rlimit_memlock")
}

impl Drop for Attached {
    fn drop(&mut self) {
        // What fails here fails because it has ended.
        let _asked = kill_process(Pid::from_child(&self.0), Signal::INT);
        let deadline = Instant::now() + UNTIL_GONE;
        while Instant::now() < deadline && matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_from_banners() {
        let cases = [
            ("Attaching 1 probe...", false),
            ("ERROR: Error attaching probe: 'kprobe:vfs_write'", true),
            ("ERROR: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace.", false),
            ("Unable to find kernel headers.", true),
            ("sh: 1: exec: filetop: not found", true),
        ];
        for (line, expected) in cases {
            assert_eq!(is_complaint(line), expected, "{line}");
        }
    }
}
