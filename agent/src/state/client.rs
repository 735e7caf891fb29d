//! Asking a running evictd.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use thiserror::Error;

use super::{
    Reading,
    protocol::{MOST_REPLY, Reply, Request},
};

/// Longer than evictd takes when its control loop is busy.
const PATIENCE: Duration = Duration::from_secs(6);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody is there.
    #[error("no evictd answers there: {0}")]
    Nobody(io::Error),
    /// Somebody is there and does not answer.
    #[error("evictd does not answer: {0}")]
    Silent(#[from] io::Error),
    /// It says why not.
    #[error("evictd says: {0}")]
    Refused(String),
    /// It is of another version, or no evictd.
    #[error("the answer is not understood: {0}")]
    Unknown(#[from] serde_json::Error),
}

/// A reading by the evictd that answers at `socket`.
pub fn ask(socket: &Path) -> Result<Reading, AskError> {
    let mut stream = UnixStream::connect(socket).map_err(AskError::Nobody)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = serde_json::to_vec(&Request::State)?;
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MOST_REPLY)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(AskError::Refused("too many ask at once".to_owned()));
    }
    match serde_json::from_slice(&line)? {
        Reply::State(reading) => Ok(*reading),
        Reply::Error(reason) => Err(AskError::Refused(reason)),
    }
}
