//! The container runtime's side that matters here: `evictd-runtime`, a process of its own, outside
//! the pods' cgroups, reads every container's stdout and writes its log. This is its client.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    cgroup::Cgroup,
    container::{TOOLS_PATIENCE, enter, tool},
    inbox::{Event, Inbox},
    node::Node,
};

/// Its cgroup: where containerd is, too.
pub const SERVICE: &str = "containerd.service";

/// What the runtime is asked to do; one JSON object a line on its stdin. The end of its stdin ends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Read a container's stdout from `fifo` and write its log.
    Attach {
        /// Container id.
        id: String,
        /// The named pipe.
        fifo: PathBuf,
        /// `…/0.log`.
        log: PathBuf,
    },
    /// Rename the log and go on in a new file.
    Rotate {
        /// Container id.
        id: String,
    },
}

/// What the runtime answers and reports; one JSON object a line on its stdout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The pipe is open for reading.
    Attached {
        /// Container id.
        id: String,
    },
    /// The container's first line is in the log.
    FirstLine {
        /// Container id.
        id: String,
    },
    /// Another [`REPORT_BYTES`] are in the log.
    Written {
        /// Container id.
        id: String,
        /// Bytes so far.
        bytes: u64,
    },
    /// The log was rotated.
    Rotated {
        /// Container id.
        id: String,
        /// The old file's new name.
        to: PathBuf,
    },
    /// Every writer of the pipe is gone and the log is closed.
    Closed {
        /// Container id.
        id: String,
        /// Bytes written.
        bytes: u64,
        /// Batches that did not fit on the disk.
        failed_batches: u64,
    },
    /// A request could not be done.
    Failed {
        /// Container id.
        id: String,
        /// Why.
        error: String,
    },
}

/// A [`Reply::Written`] comes each time a log has grown by this much.
pub const REPORT_BYTES: u64 = 64 << 20;

/// The running process. Ends, and is reaped, on drop.
#[derive(Debug)]
pub struct Runtime {
    child: Child,
    requests: Option<ChildStdin>,
    /// Pipe and log by container.
    attached: BTreeMap<String, (PathBuf, PathBuf)>,
}

impl Runtime {
    /// Starts it in the node's `system` cgroup, as the service [`SERVICE`].
    pub fn start(node: &Node, inbox: &Inbox) -> Result<Self> {
        let cgroup = node.system().child(SERVICE)?;
        let (child, requests) = spawn(&cgroup, inbox)?;
        Ok(Self { child, requests: Some(requests), attached: BTreeMap::new() })
    }

    /// Ends it as a crash does, and starts it anew in a cgroup of its own: the service manager makes
    /// another one. Containers go on, since their pipes are held meanwhile.
    pub fn restart(&mut self, node: &Node, inbox: &mut Inbox) -> Result<()> {
        let held: Vec<File> =
            self.attached.values().map(|(fifo, _)| both_ends(fifo)).collect::<Result<_>>()?;
        self.child.kill().context("killing the runtime")?;
        self.child.wait().context("waiting for the runtime")?;
        node.system().at(SERVICE).remove()?;
        let cgroup = node.system().child(SERVICE)?;
        let (child, requests) = spawn(&cgroup, inbox)?;
        (self.child, self.requests) = (child, Some(requests));
        for (id, (fifo, log)) in self.attached.clone() {
            self.attach(inbox, &id, &fifo, &log)?;
        }
        drop(held);
        Ok(())
    }
    /// Has the runtime read `fifo` and write `log`; returns when the pipe is open.
    pub fn attach(&mut self, inbox: &mut Inbox, id: &str, fifo: &Path, log: &Path) -> Result<()> {
        let from = inbox.mark();
        let (id, fifo, log) = (id.to_owned(), fifo.to_owned(), log.to_owned());
        let held = (fifo.clone(), log.clone());
        self.request(&Request::Attach { id: id.clone(), fifo, log })?;
        wait_reply(inbox, from, "the runtime to attach a container", &id, |reply| {
            matches!(reply, Reply::Attached { .. }).then_some(())
        })?;
        self.attached.insert(id, (held.0, held.1));
        Ok(())
    }

    /// Rotates a container's log; returns the old file's new name.
    pub fn rotate(&mut self, inbox: &mut Inbox, id: &str) -> Result<PathBuf> {
        let from = inbox.mark();
        self.request(&Request::Rotate { id: id.to_owned() })?;
        wait_reply(inbox, from, "the runtime to rotate a log", id, |reply| {
            if let Reply::Rotated { to, .. } = reply { Some(to.clone()) } else { None }
        })
    }

    fn request(&mut self, request: &Request) -> Result<()> {
        let line = serde_json::to_string(request)?;
        let stdin = self.requests.as_mut().context("the runtime has ended")?;
        writeln!(stdin, "{line}").context("writing to the runtime")
    }
}

/// Starts the process and passes its replies on.
fn spawn(cgroup: &Cgroup, inbox: &Inbox) -> Result<(Child, ChildStdin)> {
    let mut command = Command::new(tool("evictd-runtime")?);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    enter(&mut command, cgroup)?;
    let mut child = command.spawn().context("starting evictd-runtime")?;
    let replies = child.stdout.take().context("the runtime's stdout")?;
    let events = inbox.sender();
    thread::spawn(move || {
        for line in BufReader::new(replies).lines().map_while(Result::ok) {
            if let Ok(reply) = serde_json::from_str(&line)
                && events.send(Event::Runtime(reply)).is_err()
            {
                return;
            }
        }
    });
    let requests = child.stdin.take().context("the runtime's stdin")?;
    Ok((child, requests))
}

/// Holds a pipe open at both ends.
fn both_ends(fifo: &Path) -> Result<File> {
    let both = OpenOptions::new().read(true).write(true).open(fifo);
    both.with_context(|| fifo.display().to_string())
}

impl Reply {
    /// The container it is about.
    pub fn id(&self) -> &str {
        match self {
            Self::Attached { id }
            | Self::FirstLine { id }
            | Self::Written { id, .. }
            | Self::Rotated { id, .. }
            | Self::Closed { id, .. }
            | Self::Failed { id, .. } => id,
        }
    }
}

/// Waits for a reply about container `id` that `pick` takes; a failure of that container is an error.
pub fn wait_reply<T>(
    inbox: &mut Inbox,
    from: usize,
    what: &str,
    id: &str,
    pick: impl Fn(&Reply) -> Option<T>,
) -> Result<T> {
    inbox.wait(from, TOOLS_PATIENCE, what, |event| match event {
        Event::Runtime(Reply::Failed { id: of, error }) if of == id => {
            Some(Err(anyhow::anyhow!("the runtime: {error}")))
        }
        Event::Runtime(reply) if reply.id() == id => pick(reply).map(Ok),
        Event::Runtime(_)
        | Event::Record(_)
        | Event::BadRecord(_)
        | Event::EvictdEnded
        | Event::Interrupted => None,
    })?
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.requests = None;
        // It ends at the end of its stdin; the kill is for one that hangs.
        let deadline = std::time::Instant::now() + Duration::from_secs(1);
        while matches!(self.child.try_wait(), Ok(None)) {
            if std::time::Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
