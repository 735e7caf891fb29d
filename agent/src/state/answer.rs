//! Answers questions, each on a thread of its own, away from the control loop.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::warn;

use super::{
    Board, Reading, Source, StateReader,
    protocol::{MOST_REQUEST, Reply, Request},
};
use crate::clock;

/// Questions answered at a time; further ones are turned away.
const AT_ONCE: usize = 4;

/// A client that takes longer to ask, or to take the answer, is left.
const CLIENT_PATIENCE: Duration = Duration::from_secs(2);

/// How long the control loop may take to publish: it does so on its tick of a second.
const LOOP_PATIENCE: Duration = Duration::from_secs(3);

/// Little is kept on the stack, and evictd's memory is resident.
const STACK_BYTES: usize = 256 << 10;

/// What a running evictd can tell of what is going on, whoever asks and however.
pub struct Answers {
    board: Arc<Board>,
    reader: StateReader,
}

impl Answers {
    /// From what the control loop leaves on `board`, and from `reader`.
    pub const fn new(board: Arc<Board>, reader: StateReader) -> Self {
        Self { board, reader }
    }

    /// Everything, now. `None` if the control loop does not publish in time.
    pub fn read(&self) -> Option<Reading> {
        let published = self.board.fetch(clock::now(), LOOP_PATIENCE)?;
        let source = Source::Agent {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: published.mode.clone(),
        };
        Some(self.reader.read(&published.pods, published.node.clone(), source))
    }
}

/// Answers on the socket.
pub struct Server {
    answers: Arc<Answers>,
    clients: AtomicUsize,
}

impl Server {
    /// Answers whoever connects to `listener`, for as long as the process lives.
    pub fn start(listener: UnixListener, answers: Arc<Answers>) -> io::Result<()> {
        let server = Arc::new(Self { answers, clients: AtomicUsize::new(0) });
        let accept = move || {
            for client in listener.incoming() {
                match client {
                    Ok(client) => server.take(client),
                    Err(error) => {
                        warn!("socket: {error}");
                        // Out of descriptors, say: not again at once.
                        thread::sleep(CLIENT_PATIENCE);
                    }
                }
            }
        };
        spawn("socket", accept)
    }

    fn take(self: &Arc<Self>, client: UnixStream) {
        if self.clients.fetch_add(1, Ordering::AcqRel) >= AT_ONCE {
            self.clients.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let server = self.clone();
        let answer = move || {
            // A client that goes away, or does not take its answer, is its own affair.
            let _ = server.answer(client);
            server.clients.fetch_sub(1, Ordering::AcqRel);
        };
        if let Err(error) = spawn("answer", answer) {
            self.clients.fetch_sub(1, Ordering::AcqRel);
            warn!("no thread to answer on: {error}");
        }
    }

    fn answer(&self, client: UnixStream) -> io::Result<()> {
        let mut client = Patient { client, until: Instant::now() + CLIENT_PATIENCE };
        let reply = match client.line() {
            Ok(line) => match serde_json::from_slice::<Request>(&line) {
                Ok(Request::State) => self.state(),
                Err(error) => Reply::Error(format!("no such request: {error}; allowed: state")),
            },
            Err(error) => return Err(error),
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        client.until = Instant::now() + CLIENT_PATIENCE;
        client.write(&line)
    }

    fn state(&self) -> Reply {
        let Some(reading) = self.answers.read() else {
            return Reply::Error("the control loop is too busy to tell".to_owned());
        };
        Reply::State(Box::new(reading))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    thread.spawn(work).map(drop)
}

/// A client that has until then, however it spreads its bytes.
struct Patient {
    client: UnixStream,
    until: Instant,
}

impl Patient {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let (mut line, mut buffer) = (Vec::new(), [0; MOST_REQUEST]);
        loop {
            self.client.set_read_timeout(self.left()?)?;
            let read = self.client.read(&mut buffer)?;
            line.extend_from_slice(&buffer[..read]);
            if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                line.truncate(end);
                return Ok(line);
            }
            if read == 0 || line.len() > MOST_REQUEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.client.set_write_timeout(self.left()?)?;
            let written = self.client.write(bytes)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_time_in_all_not_for_each_byte() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut client =
            Patient { client: ours, until: Instant::now() + Duration::from_millis(50) };
        let writer = thread::spawn(move || while theirs.write_all(b" ").is_ok() {});
        let error = client.line().unwrap_err();
        // Too much, or too late; a socket says the latter in two ways.
        let ways = [io::ErrorKind::InvalidData, io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock];
        assert!(ways.contains(&error.kind()), "{error}");
        drop(client);
        writer.join().unwrap();

        let (ours, _silent) = UnixStream::pair().unwrap();
        let mut client =
            Patient { client: ours, until: Instant::now() + Duration::from_millis(10) };
        assert!(client.line().is_err());
        client.until = Instant::now() + Duration::from_millis(10);
        assert!(client.write(&vec![0; 8 << 20]).is_err(), "who does not read is left");
    }

    #[test]
    fn a_line_may_come_in_parts() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut client = Patient { client: ours, until: Instant::now() + Duration::from_secs(60) };
        let writer = thread::spawn(move || {
            for part in [b"{\"request\"".as_slice(), b":\"state\"}\nrest"] {
                theirs.write_all(part).unwrap();
            }
        });
        let request: Request = serde_json::from_slice(&client.line().unwrap()).unwrap();
        assert_eq!(request, Request::State);
        writer.join().unwrap();
    }
}
