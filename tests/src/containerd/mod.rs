//! A containerd of the test's own: its root, state, socket and cgroups lie in the test's scratch, and
//! nothing of the machine's containerd, if there is one, is touched.

mod cri;
mod image;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

pub use cri::{Cri, PodSandbox};

/// Names the directory with `usr/bin/containerd` and so on, as the Debian packages unpack.
pub const PACKAGES_VARIABLE: &str = "EVICTD_CONTAINERD";
/// What sandboxes are made of.
pub const PAUSE: &str = "evictd.test/pause:1";
/// A VM without KVM is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    path: OsString,
    runc: PathBuf,
    busybox: PathBuf,
}

impl Programs {
    /// Those below [`PACKAGES_VARIABLE`], else the machine's. `None`, said on stdout, where one is
    /// missing.
    pub fn find() -> Option<Self> {
        let unpacked = env::var_os(PACKAGES_VARIABLE).map(PathBuf::from);
        let mut directories: Vec<PathBuf> = Vec::new();
        if let Some(root) = &unpacked {
            directories.extend(["usr/bin", "usr/sbin", "bin"].map(|at| root.join(at)));
        }
        directories.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        directories.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
        let find = |name: &str| {
            let found = directories.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
            if found.is_none() {
                println!(
                    "cannot run here: there is no {name}; {PACKAGES_VARIABLE} may name its root"
                );
            }
            found
        };
        for name in ["containerd", "containerd-shim-runc-v2", "ctr"] {
            find(name)?;
        }
        let (runc, busybox) = (find("runc")?, find("busybox")?);
        let path = env::join_paths(&directories).ok()?;
        Some(Self { path, runc, busybox })
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command.arg(name).env("PATH", &self.path).stdin(Stdio::null());
        command
    }
}

/// A running containerd. Its pods, itself and its mounts go on drop.
#[derive(Debug)]
pub struct Containerd {
    child: Child,
    programs: Programs,
    dir: PathBuf,
    socket: PathBuf,
    images: usize,
}

impl Containerd {
    /// Starts one that keeps everything in `dir`, and waits until it serves CRI. The image of sandboxes
    /// is there.
    pub fn start(programs: &Programs, dir: &Path) -> Result<Self> {
        Self::start_with(programs, dir, true)
    }

    /// The same without CRI: no runtime for a kubelet, and without any image.
    pub fn start_without_cri(programs: &Programs, dir: &Path) -> Result<Self> {
        Self::start_with(programs, dir, false)
    }

    fn start_with(programs: &Programs, dir: &Path, cri: bool) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        // A socket's path is short.
        let socket = env::temp_dir().join(format!(
            "evictd-ctrd-{}-{}.sock",
            std::process::id(),
            dir.file_name().unwrap_or_default().to_string_lossy()
        ));
        let config = dir.join("config.toml");
        fs::write(&config, configuration(dir, &socket, &programs.runc, cri, root_is_initramfs()?))?;
        let log = fs::File::create(dir.join("containerd.log"))?;
        let child = programs
            .command("containerd")
            .arg("--config")
            .arg(&config)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting containerd")?;
        let (dir, programs) = (dir.to_owned(), programs.clone());
        let mut containerd = Self { child, programs, dir, socket, images: 0 };
        containerd.wait(cri)?;
        if cri {
            containerd.import(PAUSE, 0)?;
        }
        Ok(containerd)
    }

    fn wait(&mut self, cri: bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let serves = if cri { self.cri()?.is_ready() } else { self.socket.exists() };
            if serves {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("containerd ended with {status}:\n{}", self.log_tail());
            }
            if Instant::now() > until {
                bail!("containerd does not serve:\n{}", self.log_tail());
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Its last words.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.dir.join("containerd.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client.
    pub fn cri(&self) -> Result<Cri> {
        Cri::new(&self.socket)
    }

    /// Makes an image of busybox and `mib` MiB beside it, and imports it.
    pub fn import(&mut self, name: &str, mib: usize) -> Result<()> {
        self.images += 1;
        let folder = self.dir.join(format!("image-{}", self.images));
        let archive = image::make(&folder, name, &self.programs.busybox, mib)?;
        self.import_archive(&archive, name)?;
        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    /// Imports what is in the archive, the image `name`.
    pub fn import_archive(&self, archive: &Path, name: &str) -> Result<()> {
        let imported = self
            .programs
            .command("ctr")
            .arg("--address")
            .arg(&self.socket)
            .args(["--namespace", "k8s.io", "images", "import"])
            .arg(archive)
            .output()?;
        if !imported.status.success() {
            bail!("importing {name}: {}", String::from_utf8_lossy(&imported.stderr));
        }
        // CRI hears of it through an event.
        let until = Instant::now() + PATIENCE;
        while !self.cri()?.images()?.iter().any(|image| image == name) {
            if Instant::now() > until {
                bail!("CRI does not hear of {name}");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Stops it as a hang does, until [`Self::resume`]. All of its threads have stopped then.
    pub fn hang(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        waitid(WaitId::Pid(self.pid()?), WaitIdOptions::STOPPED).context("containerd to stop")?;
        Ok(())
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal)?;
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.context("containerd's process id")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Nothing more can be done about what fails here.
        let _ = self.resume();
        if let Ok(mut cri) = self.cri() {
            cri.remove_all();
        }
        let _ = self.signal(Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(self.socket.with_extension("sock.ttrpc"));
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Whether `/` is what the kernel unpacked at boot, out of which nobody can pivot.
fn root_is_initramfs() -> Result<bool> {
    const RAMFS: u64 = 0x8584_58f6;
    const TMPFS: u64 = 0x0102_1994;
    let root = rustix::fs::statfs("/").context("what / is")?;
    Ok([RAMFS, TMPFS].contains(&u64::try_from(root.f_type)?))
}

fn configuration(dir: &Path, socket: &Path, runc: &Path, cri: bool, no_pivot: bool) -> String {
    let cri_plugin = if cri { "" } else { r#", "io.containerd.grpc.v1.cri""# };
    let (dir, socket, runc) = (dir.display(), socket.display(), runc.display());
    format!(
        r#"version = 2
root = "{dir}/root"
state = "{dir}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"{cri_plugin}]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      NoPivotRoot = {no_pivot}
"#
    )
}
