//! evictd as a child process: the same binary and command line as anywhere else.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cgroup::Cgroup,
    container::{enter, tool},
    inbox::{Event, Inbox},
    node::Node,
    pod::write_whole,
    record::{Record, Started, Stopped},
};

/// Names the evictd to test; without it the one beside the running program is taken.
pub const BINARY_VARIABLE: &str = "EVICTD_BIN";

/// Hard threshold of `nodefs.available`, MiB.
pub const DISK_THRESHOLD_MIB: u64 = 128;
/// Hard threshold of `allocatableMemory.available`, MiB.
pub const MEMORY_THRESHOLD_MIB: u64 = 64;
/// Hard threshold of `pid.available`.
pub const TASKS_THRESHOLD: u64 = 128;

/// How long evictd may take to attach its probes (a VM without KVM is slow).
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long evictd may take to end after SIGTERM before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How to run evictd.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub binary: PathBuf,
    /// `observe` or `enforce`; empty: what the configuration says.
    pub mode: &'static str,
    /// `strict` or `kubelet`.
    pub semantics: &'static str,
    /// Container logs lie on a filesystem of their own.
    pub logs_apart: bool,
    /// The pod that evictd runs in, as its own pod on a cluster; beside the pods if there is none.
    pub inside: Option<&'static str>,
    /// The cluster whose node this is; without one, pods come from manifests.
    pub cluster: Option<Cluster>,
    /// More of the configuration, YAML.
    pub more_config: String,
    /// More arguments.
    pub more_args: Vec<String>,
    /// More environment.
    pub env: Vec<(String, String)>,
}

/// How evictd reaches its cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `--kubeconfig`.
    pub kubeconfig: PathBuf,
    /// `--node-name`.
    pub node: String,
}

impl Options {
    /// The given binary in a mode.
    pub fn new(binary: &Path, mode: &'static str) -> Self {
        let (more_config, more_args, env) = (String::new(), Vec::new(), Vec::new());
        Self {
            binary: binary.to_owned(),
            mode,
            semantics: "strict",
            logs_apart: false,
            inside: None,
            cluster: None,
            more_config,
            more_args,
            env,
        }
    }
}

/// The evictd under test: [`BINARY_VARIABLE`], else beside the running program.
pub fn binary() -> Result<PathBuf> {
    match env::var_os(BINARY_VARIABLE) {
        Some(path) => Ok(PathBuf::from(path)),
        None => tool("evictd").with_context(|| format!("{BINARY_VARIABLE} is not set")),
    }
}

/// The configuration of evictd on `node`.
pub fn config(node: &Node, semantics: &str, more: &str) -> String {
    format!(
        "semantics: {semantics}\n\
         evictionHard:\n  \
           nodefs.available: {DISK_THRESHOLD_MIB}Mi\n  \
           allocatableMemory.available: {MEMORY_THRESHOLD_MIB}Mi\n  \
           pid.available: \"{TASKS_THRESHOLD}\"\n\
         evictionPressureTransitionPeriod: 1s\n\
         rootDirectory: {}\n\
         podLogsDir: {}\n\
         cgroupRoot: /{}\n\
         {more}",
        node.kubelet_dir().display(),
        node.pod_logs_dir().display(),
        node.top().relative().display(),
    )
}

/// Where evictd on `node` answers.
pub fn socket(node: &Node) -> PathBuf {
    node.dir().join("evictd.sock")
}

/// A running evictd. Killed and reaped on drop.
#[derive(Debug)]
pub struct Evictd {
    child: Child,
    log: PathBuf,
    started: Started,
}

/// How evictd ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its last record.
    pub stopped: Stopped,
    /// From SIGTERM to the exit.
    pub took: Duration,
}

impl Evictd {
    /// Starts `evictd run` on the node, in that cgroup, and waits for `started`.
    pub fn start(
        node: &Node,
        cgroup: &Cgroup,
        inbox: &mut Inbox,
        options: &Options,
    ) -> Result<Self> {
        let config_path = node.dir().join("evictd.yaml");
        write_whole(&config_path, &config(node, options.semantics, &options.more_config))?;
        let log = node.dir().join("evictd.log");
        let mut command = Command::new(&options.binary);
        command
            .args(["run", "--config"])
            .arg(&config_path)
            .arg("--socket")
            .arg(socket(node))
            .args(&options.more_args)
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).with_context(|| log.display().to_string())?)
            .process_group(0);
        match &options.cluster {
            Some(Cluster { kubeconfig, node }) => {
                command.arg("--kubeconfig").arg(kubeconfig).args(["--node-name", node]);
            }
            None => {
                command.arg("--pods").arg(node.manifests_dir());
            }
        }
        if !options.mode.is_empty() {
            command.args(["--mode", options.mode]);
        }
        enter(&mut command, cgroup)?;
        let from = inbox.mark();
        let mut child =
            command.spawn().with_context(|| format!("starting {}", options.binary.display()))?;
        let records = child.stdout.take().context("evictd's stdout")?;
        let events = inbox.sender();
        thread::spawn(move || {
            for line in BufReader::new(records).lines().map_while(Result::ok) {
                let event = match serde_json::from_str::<Record>(&line) {
                    Ok(record) => Event::Record(Box::new(record)),
                    Err(e) => Event::BadRecord(format!("{line} ({e})")),
                };
                if events.send(event).is_err() {
                    return;
                }
            }
            // Nobody waits any more if this fails.
            let _ = events.send(Event::EvictdEnded);
        });
        let started = inbox.wait_record(from, START_PATIENCE, "evictd to start", |record| {
            if let Record::Started(started) = record { Some(started.clone()) } else { None }
        });
        match started {
            Ok(started) => Ok(Self { child, log, started }),
            Err(e) => {
                end(&mut child);
                let said = tail(&log);
                Err(e).context(format!("evictd did not start; it said:\n{said}"))
            }
        }
    }

    /// Its first record.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// The last lines it logged.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(mut self, inbox: &mut Inbox) -> Result<Ended> {
        let from = inbox.mark();
        let begin = Instant::now();
        terminate(&self.child);
        let status = loop {
            if let Some(status) = self.child.try_wait().context("waiting for evictd")? {
                break status;
            }
            if begin.elapsed() > STOP_PATIENCE {
                bail!(
                    "evictd did not end within {STOP_PATIENCE:?} of SIGTERM:\n{}",
                    self.log_tail()
                );
            }
            thread::sleep(Duration::from_millis(1));
        };
        let took = begin.elapsed();
        let stopped = inbox.wait_record(from, STOP_PATIENCE, "its last record", |record| {
            if let Record::Stopped(stopped) = record { Some(stopped.clone()) } else { None }
        });
        let stopped =
            stopped.with_context(|| format!("{status}; it said:\n{}", self.log_tail()))?;
        Ok(Ended { status, stopped, took })
    }
}

impl Drop for Evictd {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn terminate(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // Already gone is fine.
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
}

/// Asks, then kills, then reaps.
fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        terminate(child);
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            // It is reaped by the next turn.
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
