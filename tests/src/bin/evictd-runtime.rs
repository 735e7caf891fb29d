//! What containerd does with containers' output: reads each container's stdout pipe and writes its
//! log. A separate process, so that log writes come from outside the pods' cgroups.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::SystemTime,
};

use evictd_tests::{
    cri_log::CriLog,
    runtime::{REPORT_BYTES, Reply, Request},
};
use rustix::pipe::fcntl_setpipe_size;

/// Size asked for the pipes and read at a time.
const PIPE_BYTES: usize = 1 << 20;
/// A batch of lines is written to the log when it is this large or the pipe is empty.
const BATCH_BYTES: usize = 1 << 20;

/// Open logs by container id. Each belongs to its thread, which closes it at the end of the pipe.
type Logs = HashMap<String, Weak<Mutex<CriLog>>>;

fn main() -> ExitCode {
    let mut logs = Logs::new();
    for line in io::stdin().lines().map_while(Result::ok) {
        let request = match serde_json::from_str(&line) {
            Ok(request) => request,
            Err(e) => {
                eprintln!("evictd-runtime: {line}: {e}");
                return ExitCode::from(2);
            }
        };
        match request {
            Request::Attach { id, fifo, log } => match attach(&id, &fifo, &log) {
                Ok(opened) => {
                    logs.insert(id, opened);
                }
                Err(e) => reply(&Reply::Failed { id, error: format!("{}: {e}", fifo.display()) }),
            },
            Request::Rotate { id } => reply(&rotate(id, &logs)),
        }
    }
    ExitCode::SUCCESS
}

fn attach(id: &str, fifo: &Path, path: &Path) -> io::Result<Weak<Mutex<CriLog>>> {
    let pipe = File::open(fifo)?;
    // A smaller pipe is only slower.
    let _ = fcntl_setpipe_size(&pipe, PIPE_BYTES);
    let log = Arc::new(Mutex::new(CriLog::open(path)?));
    reply(&Reply::Attached { id: id.to_owned() });
    let (id, weak) = (id.to_owned(), Arc::downgrade(&log));
    thread::spawn(move || copy(&id, pipe, log));
    Ok(weak)
}

fn copy(id: &str, pipe: File, log: Arc<Mutex<CriLog>>) {
    let (mut bytes, mut failed_batches) = (0, 0);
    let mut lines = BufReader::with_capacity(PIPE_BYTES, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        let at_end = !lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0);
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if !at_end {
            log.push(&line, SystemTime::now());
        }
        if at_end || log.pending() >= BATCH_BYTES || lines.buffer().is_empty() {
            let before = bytes;
            match log.flush() {
                Ok(written) => bytes += written,
                Err(_) => failed_batches += 1,
            }
            drop(log);
            report(id, before, bytes);
        }
        if at_end {
            break;
        }
    }
    // Closed before it is said: whoever hears it may delete the file and expects the space.
    drop(log);
    reply(&Reply::Closed { id: id.to_owned(), bytes, failed_batches });
}

fn report(id: &str, before: u64, now: u64) {
    if before == 0 && now > 0 {
        reply(&Reply::FirstLine { id: id.to_owned() });
    }
    if before / REPORT_BYTES < now / REPORT_BYTES {
        reply(&Reply::Written { id: id.to_owned(), bytes: now });
    }
}

fn rotate(id: String, logs: &Logs) -> Reply {
    let Some(log) = logs.get(&id).and_then(Weak::upgrade) else {
        return Reply::Failed { id, error: "no such container".to_owned() };
    };
    let rotated = log.lock().unwrap_or_else(PoisonError::into_inner).rotate(SystemTime::now());
    match rotated {
        Ok(to) => Reply::Rotated { id, to },
        Err(e) => Reply::Failed { id, error: format!("rotating: {e}") },
    }
}

fn reply(reply: &Reply) {
    if let Ok(line) = serde_json::to_string(reply) {
        let mut out = io::stdout().lock();
        // Nobody listens any more: the end of stdin follows.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
