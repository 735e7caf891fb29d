//! QEMU: one emulated machine, from its files to its exit code.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::clock;
use super::guest::GuestLine;
use super::initramfs::Initramfs;
use super::kernel::Kernel;
use super::tripped;
use crate::process;
use crate::workspace::Workspace;

/// The largest test writes 160 MiB and is not to come near the threshold of 128 MiB; incidents of disks
/// fill what is left, which takes an emulated machine long.
const NODEFS_BYTES: u64 = 384 << 20;
/// `default`: a disk this small would get blocks of 1 KiB. The rest is as for the tests' own images: free space
/// changes only by what the pods write.
const NODEFS_OPTIONS: &str = "-q -F -T default -m 0 -E lazy_itable_init=0,lazy_journal_init=0";
/// A processor that gets nowhere for twice the threshold (seconds) ends the machine: nothing else would.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet softlockup_panic=1 watchdog_thresh=30 \
     HOME=/root PATH=/bin TMPDIR=/tmp RUST_BACKTRACE=1 EVICTD_BIN=/bin/evictd \
     EVICTD_NODEFS_DEVICE=/dev/nvme0n1 EVICTD_CHURN_SECONDS=15";
/// KVM is there on many machines where it does not work: emulation is slower and the same
/// everywhere.
const HARDWARE: &str = "-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
     -nodefaults -no-user-config -display none -no-reboot \
     -device isa-debug-exit,iobase=0xf4,iosize=0x04";
/// Lines of the kernel's console that say how it ended.
const CONSOLE_TAIL: usize = 40;

/// A machine that dies before init runs is booted so often in all.
const BOOTS: u32 = 3;

/// How a boot ended.
enum End {
    /// Init ran to its end.
    Done,
    /// The machine went off before that.
    Off { init_ran: bool, status: ExitStatus },
}

/// A machine ready to boot.
pub(crate) struct Machine {
    kernel: PathBuf,
    initramfs: PathBuf,
    nodefs: PathBuf,
    /// The kernel's messages go to this file, the steps' output to the caller.
    console: PathBuf,
    network: bool,
}

impl Machine {
    /// Makes the machine's files in a folder of its own, with the initramfs that `pack` puts there.
    pub(crate) fn prepare(
        workspace: &Workspace,
        kernel: &Kernel,
        pack: impl FnOnce(&Path) -> Result<Initramfs>,
    ) -> Result<Self> {
        let folder = workspace.scratch().join("vm").join(kernel.name);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let nodefs = folder.join("nodefs.img");
        make_ext4(&nodefs)?;
        Ok(Self {
            kernel: kernel.image()?,
            initramfs: pack(&folder)?.path,
            nodefs,
            console: folder.join("console.log"),
            network: false,
        })
    }

    /// Lets the guest reach what listens on this machine's loopback device, at 10.0.2.2; nobody reaches the guest.
    pub(crate) fn with_network(self) -> Self {
        Self { network: true, ..self }
    }

    /// Boots, hands each line of the guest's results to `each`, and returns when the machine is
    /// off. Anything but a run to init's `done` is an error, also to be `silent` for longer. A machine that goes off before init has
    /// said anything is booted again: emulated processors now and then trip over kernel code that
    /// another one is patching, long before anything of ours runs.
    pub(crate) fn boot(&self, silent: Duration, mut each: impl FnMut(&str)) -> Result<()> {
        for _ in 1..BOOTS {
            match self.boot_once(silent, &mut each)? {
                End::Done => return Ok(()),
                End::Off { init_ran: true, status } => return Err(went_off(status)),
                End::Off { init_ran: false, status } => {
                    eprintln!("the machine went off before init ran (QEMU: {status}): once more");
                }
            }
        }
        match self.boot_once(silent, &mut each)? {
            End::Done => Ok(()),
            End::Off { status, .. } => Err(went_off(status)),
        }
    }

    fn boot_once(&self, silent: Duration, each: &mut impl FnMut(&str)) -> Result<End> {
        let mut qemu = Running(self.start()?);
        let stdout = qemu.0.stdout.take().context("QEMU has no output")?;
        let lines = read_lines(stdout);
        let (mut init_ran, mut done) = (false, false);
        loop {
            match lines.recv_timeout(silent) {
                Ok(line) => {
                    init_ran = true;
                    done |= GuestLine::parse(&line) == GuestLine::Done;
                    each(&line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the machine said nothing for {} s", silent.as_secs())
                }
            }
        }
        let status = qemu.0.wait()?;
        Ok(if done { End::Done } else { End::Off { init_ran, status } })
    }

    fn start(&self) -> Result<Child> {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(HARDWARE.split_whitespace());
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        command.arg("-append").arg(format!("{KERNEL_ARGUMENTS}{}", clock::kernel_arguments()));
        command.arg("-serial").arg(option("file:", &self.console));
        command.args(["-serial", "stdio"]);
        command
            .arg("-drive")
            .arg(option("if=none,id=nodefs,format=raw,cache=unsafe,file=", &self.nodefs));
        command.args(["-device", "nvme,drive=nodefs,serial=nodefs"]);
        if self.network {
            command.args(["-nic", "user,model=virtio-net-pci"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: the closure makes one system call and does not allocate.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        command.spawn().with_context(|| format!("cannot start {}", process::line(&command)))
    }

    /// Whether the kernel has [tripped](tripped).
    pub(crate) fn was_tripped(&self) -> bool {
        tripped::is_said_by(&String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()))
    }

    /// The last lines of the kernel's console.
    pub(crate) fn console_end(&self) -> Vec<String> {
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
        let lines = lines.iter().filter(|line| !line.is_empty());
        let mut last: Vec<String> =
            lines.rev().take(CONSOLE_TAIL).map(|&line| line.to_owned()).collect();
        last.reverse();
        last
    }
}

fn went_off(status: ExitStatus) -> anyhow::Error {
    anyhow!("the machine went off before its work was done (QEMU: {status})")
}

/// Killed when dropped, whatever made the caller leave.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has already ended.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn make_ext4(image: &Path) -> Result<()> {
    File::create(image)
        .and_then(|file| file.set_len(NODEFS_BYTES))
        .with_context(|| image.display().to_string())?;
    let mkfs = process::find_program("mkfs.ext4").context("mkfs.ext4 is not installed")?;
    process::run_quietly(Command::new(mkfs).args(NODEFS_OPTIONS.split_whitespace()).arg(image))
}

fn option(start: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(start);
    text.push(path);
    text
}
