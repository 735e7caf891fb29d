//! A real control plane on loopback: etcd and kube-apiserver, with RBAC and admission on, in a directory
//! of its own. There is no controller-manager and no scheduler: tests do what those would.

mod accounts;
mod authority;
mod dated_token;
mod directory;
mod kubeconfig;
mod kubelet;
mod programs;
mod server;

pub use accounts::{Account, PodRef};
pub use kubelet::Kubelet;
pub use programs::{EXPIRED, LEFT_OUT, NOT_YET_VALID, VARIABLE};

use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::runtime::Runtime;

use authority::Authority;
use directory::Directory;
use kubeconfig::Credentials;
use server::Server;

const APISERVER: &str = "kube-apiserver";
/// How long the API server may take until it says that it is ready (machines that test are busy).
const READY_PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions whether it is.
const POLL: Duration = Duration::from_millis(50);
/// Tries to find ports that nobody takes before the servers have them.
const ATTEMPTS: u32 = 3;

/// A running control plane. Its processes end with it, and with the thread that started it; its directory is
/// removed on drop, or by the next run.
pub struct ControlPlane {
    // Dropped in this order.
    apiserver: Mutex<Apiserver>,
    _etcd: Server,
    url: String,
    admin: PathBuf,
    authority: Authority,
    folder: PathBuf,
    dir: Directory,
    runtime: Runtime,
}

/// The API server, and how it is started again.
struct Apiserver {
    server: Server,
    command: Command,
}

impl ControlPlane {
    /// Starts one and waits until it is ready. `None`, with the reason told, where the tests that need one
    /// are left out on request.
    pub fn start_unless_left_out() -> Result<Option<Arc<Self>>> {
        let Some(folder) = programs::folder()? else {
            println!("cannot run here: the API server was left out (--without-apiserver)");
            return Ok(None);
        };
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(&folder) {
                Ok(plane) => return Ok(Some(Arc::new(plane))),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt was made")?)
    }

    /// The same where it must not be left out.
    pub fn start() -> Result<Arc<Self>> {
        Self::start_unless_left_out()?.context("the API server was left out (--without-apiserver)")
    }

    fn attempt(folder: &Path) -> Result<Self> {
        let dir = Directory::create()?;
        let authority = Authority::create(dir.path())?;
        let (port, etcd_port) = (programs::free_port()?, programs::free_port()?);
        let url = format!("https://127.0.0.1:{port}");
        let admin = kubeconfig::write(
            dir.path(),
            "admin",
            &url,
            &authority.certificate(),
            &Credentials::Certificate(&authority.client("admin", "system:masters")?),
        )?;
        let mut command =
            programs::apiserver(&folder.join(APISERVER), &authority, port, etcd_port)?;
        let etcd = Server::start("etcd", &mut programs::etcd(dir.path(), etcd_port)?, dir.path())?;
        let server = Server::start(APISERVER, &mut command, dir.path())?;
        let apiserver = Mutex::new(Apiserver { server, command });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let folder = folder.to_owned();
        let plane = Self { apiserver, _etcd: etcd, url, admin, authority, folder, dir, runtime };
        plane.wait_ready()?;
        Ok(plane)
    }

    /// `https://127.0.0.1:PORT`. From a VM with user-mode networking the same port of 10.0.2.2 will do.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Certificate of its authority, PEM.
    pub fn authority(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// A directory that goes with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// kubeconfig of a user who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin
    }

    /// A client of that user, to be used within [`Self::wait`] or on the caller's own runtime. After a
    /// restart of the API server take a new one.
    pub fn admin(&self) -> Result<Client> {
        self.client(&self.admin)
    }

    /// A client with a kubeconfig.
    pub fn client(&self, kubeconfig: &Path) -> Result<Client> {
        let read = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let mut config = self.wait(Config::from_custom_kubeconfig(read, &options))?;
        // Answers are what tests want to see, refusals too: kube would try for minutes.
        config.default_retry = false;
        let _inside = tokio::runtime::Handle::try_current().is_err().then(|| self.runtime.enter());
        Ok(Client::try_from(config)?)
    }

    /// Runs a future to its end on the control plane's own runtime; also from within another one.
    pub fn wait<F: Future + Send>(&self, future: F) -> F::Output
    where
        F::Output: Send,
    {
        let ended = thread::scope(|scope| scope.spawn(|| self.runtime.block_on(future)).join());
        match ended {
            Ok(output) => output,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Runs kubectl as the user who may do everything; gives what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.folder.join("kubectl"));
        command.arg("--kubeconfig").arg(&self.admin).args(arguments).env("HOME", self.dir.path());
        let output = command.output().context("starting kubectl")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {}", arguments.join(" "), said.trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// SIGTERM to the API server; returns when it has ended. etcd goes on.
    pub fn stop_apiserver(&self) -> Result<()> {
        self.apiserver().server.stop()
    }

    /// SIGKILL to the API server.
    pub fn kill_apiserver(&self) -> Result<()> {
        self.apiserver().server.kill()
    }

    /// Starts it again on the same port, and waits until it is ready.
    pub fn start_apiserver(&self) -> Result<()> {
        let mut apiserver = self.apiserver();
        if apiserver.server.ended().is_none() {
            bail!("the API server runs already");
        }
        apiserver.server = Server::start(APISERVER, &mut apiserver.command, self.dir.path())?;
        drop(apiserver);
        self.wait_ready()
    }

    /// The API server takes connections and answers nothing from now on.
    pub fn freeze_apiserver(&self) -> Result<()> {
        self.apiserver().server.freeze()
    }

    /// Ends that.
    pub fn thaw_apiserver(&self) -> Result<()> {
        self.apiserver().server.thaw()
    }

    fn apiserver(&self) -> MutexGuard<'_, Apiserver> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        loop {
            // A new client each time: a connection that was refused is not tried again by an old one.
            let client = self.admin()?;
            let answer = self.wait(async move {
                let request = http::Request::get("/readyz").body(Vec::new())?;
                anyhow::Ok(client.request_text(request).await?)
            });
            let said = match answer {
                Ok(text) if text == "ok" => return Ok(()),
                Ok(text) => text,
                Err(error) => format!("{error:#}"),
            };
            let mut apiserver = self.apiserver();
            if let Some(status) = apiserver.server.ended() {
                return Err(apiserver.server.complaint(&format!("ended ({status})")));
            }
            if Instant::now() > deadline {
                return Err(apiserver.server.complaint(&format!("is not ready: {said}")));
            }
            drop(apiserver);
            thread::sleep(POLL);
        }
    }
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane").field("url", &self.url).finish_non_exhaustive()
    }
}
