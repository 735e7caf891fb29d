//! PID 1 of the test VM: loads the packed modules, mounts what a node has, runs the packed plan step
//! by step, powers off.
//!
//! The plan is a file of tab-separated lines, `name TAB seconds TAB program TAB argument…`.
//! Results go to the second serial port, the kernel's console stays on the first:
//! `evictd-vm: NAME: start`, then what the step prints, then `evictd-vm: NAME: ok` or
//! `evictd-vm: NAME: FAILED (exit 3)`, and `evictd-vm: done` after the last step. A machine that
//! powers off without `done` did not finish, whatever it printed before.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use evictd_tests::loopback;
use evictd_tests::nodefs::DEVICE_VARIABLE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::mount::{MountFlags, mount};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal, wait,
};
use rustix::system::finit_module;

/// Modules in the order of their names.
const MODULES: &str = "/modules";
/// A disk is found within this time of its driver's start.
const DISK_PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
const PLAN: &str = "/etc/evictd-vm.plan";
const RESULTS: &str = "/dev/ttyS1";
const PREFIX: &str = "evictd-vm:";
const CGROUPS: &str = "/sys/fs/cgroup";

/// Filesystem type and mount point, in mounting order.
const MOUNTS: [(&str, &str); 9] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", CGROUPS),
];

struct Step {
    name: String,
    limit: Duration,
    command: Vec<String>,
}

fn main() {
    let code = match boot_and_run() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("{PREFIX} init: {error:#}");
            2
        }
    };
    power_off(code);
}

fn boot_and_run() -> Result<bool> {
    for (kind, at) in MOUNTS {
        fs::create_dir_all(at).with_context(|| format!("creating {at}"))?;
        mount(kind, at, kind, MountFlags::empty(), None)
            .with_context(|| format!("mounting {kind} on {at}"))?;
    }
    load_modules()?;
    if let Some(disk) = env::var_os(DEVICE_VARIABLE) {
        wait_for_device(Path::new(&disk))?;
    }
    delegate_controllers()?;
    loopback::bring_up().context("bringing lo up")?;

    let mut results = OpenOptions::new().write(true).open(RESULTS).context(RESULTS)?;
    let system = rustix::system::uname();
    writeln!(results, "{PREFIX} kernel {}", system.release().to_string_lossy())?;
    let mut all_ok = true;
    for step in read_plan()? {
        writeln!(results, "{PREFIX} {}: start", step.name)?;
        let verdict = match run(&step, &results) {
            Ok(verdict) => verdict,
            Err(error) => format!("FAILED (not started: {error:#})"),
        };
        all_ok &= verdict == "ok";
        writeln!(results, "{PREFIX} {}: {verdict}", step.name)?;
    }
    writeln!(results, "{PREFIX} done")?;
    Ok(all_ok)
}

/// The files go when they are loaded: they are held in memory.
fn load_modules() -> Result<()> {
    let entries = fs::read_dir(MODULES).context(MODULES)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    for file in files {
        let name = || format!("loading {}", file.display());
        finit_module(File::open(&file).with_context(name)?, c"", 0).with_context(name)?;
        fs::remove_file(&file).with_context(name)?;
    }
    Ok(())
}

/// A driver finds its disks when it has been loaded, not while.
fn wait_for_device(device: &Path) -> Result<()> {
    let name = || format!("waiting for {}", device.display());
    let events = inotify::init(inotify::CreateFlags::CLOEXEC).with_context(name)?;
    inotify::add_watch(&events, "/dev", inotify::WatchFlags::CREATE).with_context(name)?;
    while !device.exists() {
        let ready = poll(&mut [PollFd::new(&events, PollFlags::IN)], Some(&DISK_PATIENCE));
        if ready.with_context(name)? == 0 {
            bail!("{}: there is no such device", name());
        }
        rustix::io::read(&events, &mut [0_u8; 4096]).with_context(name)?;
    }
    Ok(())
}

/// Moves PID 1 out of the root cgroup and hands the controllers a kubelet uses to the level below.
fn delegate_controllers() -> Result<()> {
    let home = format!("{CGROUPS}/init");
    fs::create_dir(&home).with_context(|| format!("creating {home}"))?;
    fs::write(format!("{home}/cgroup.procs"), "0").context("moving init to its cgroup")?;
    fs::write(format!("{CGROUPS}/cgroup.subtree_control"), "+cpu +io +memory +pids")
        .context("enabling controllers")
}

fn read_plan() -> Result<Vec<Step>> {
    let text = fs::read_to_string(PLAN).context(PLAN)?;
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (Some(name), Some(seconds)) = (fields.next(), fields.next()) else {
                bail!("{PLAN}: no time limit in {line:?}");
            };
            let limit = Duration::from_secs(seconds.parse().context(seconds)?);
            Ok(Step { name, limit, command: fields.collect() })
        })
        .collect()
}

/// Runs one step to its end and leaves no process behind, so that steps cannot disturb each other.
fn run(step: &Step, results: &File) -> Result<String> {
    let Some((program, arguments)) = step.command.split_first() else {
        bail!("empty command");
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(results.try_clone()?)
        .spawn()
        .with_context(|| program.clone())?;
    let pid = Pid::from_child(&child);
    let watchdog = watch(pidfd_open(pid, PidfdFlags::empty())?, step.limit);
    let relay = relay_lines(&mut child, results.try_clone()?);
    let status = reap_until(pid)?;
    // SAFETY: a plain system call; from PID 1, -1 means every other process.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    while wait(WaitOptions::empty()).is_ok() {}
    let timed_out = watchdog.join().unwrap_or(false);
    // Every writer of the pipe is dead, so the relay has seen its end.
    let _relayed = relay.map(thread::JoinHandle::join);
    Ok(match (timed_out, status.exit_status(), status.terminating_signal()) {
        (true, _, _) => format!("FAILED (no end after {} s)", step.limit.as_secs()),
        (false, Some(0), _) => "ok".to_owned(),
        (false, Some(code), _) => format!("FAILED (exit {code})"),
        (false, None, Some(signal)) => format!("FAILED (signal {signal})"),
        (false, None, None) => "FAILED (unknown status)".to_owned(),
    })
}

/// Kills the process at its time limit; yields whether it had to.
fn watch(process: OwnedFd, limit: Duration) -> thread::JoinHandle<bool> {
    thread::spawn(move || {
        let limit = Timespec::try_from(limit).ok();
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], limit.as_ref());
        ended == Ok(0) && pidfd_send_signal(&process, Signal::KILL).is_ok()
    })
}

/// Copies the step's standard output line by line: whole lines are never torn by what the step's
/// children write to the same port.
fn relay_lines(child: &mut Child, mut results: File) -> Option<thread::JoinHandle<()>> {
    let stdout = child.stdout.take()?;
    Some(thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if results.write_all(&[&line[..], b"\n"].concat()).is_err() {
                break;
            }
        }
    }))
}

/// Reaps orphans as they die (a zombie still counts in `pids.current`) until `pid` has ended.
fn reap_until(pid: Pid) -> Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == pid => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for the step"),
        }
    }
}

/// Ends the machine through isa-debug-exit; if that fails PID 1 returns and the kernel panics,
/// which the runner takes for a failure.
fn power_off(code: u8) {
    rustix::fs::sync();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: PID 1 may ask for the port, and the device behind it exists only to end the machine.
    unsafe {
        /// QEMU ends with `(value << 1) | 1`.
        const EXIT_PORT: u16 = 0xf4;
        if libc::ioperm(EXIT_PORT.into(), 1, 1) == 0 {
            std::arch::asm!("out dx, al", in("dx") EXIT_PORT, in("al") code);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    eprintln!("{PREFIX} no way to end this machine with {code}");
}
