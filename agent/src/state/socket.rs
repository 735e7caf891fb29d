//! The place where a running evictd answers, held by one at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, Mode, fchmod, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};
use thiserror::Error;

/// Questions that may wait to be heard.
const BACKLOG: i32 = 8;

/// Why a socket cannot be had.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another evictd has it.
    #[error(
        "another evictd{} answers at {}: two would evict two pods for one threshold; \
         stop it, or give this one another --socket", process(.pid), .path.display()
    )]
    Taken {
        /// Where.
        path: PathBuf,
        /// Its process, if it says so.
        pid: Option<u32>,
    },
    /// Something else is there.
    #[error("{} is there and is no socket: it is left alone", .0.display())]
    NoSocket(PathBuf),
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// A claimed socket. Dropping it removes the file.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
    /// The kernel gives the lock back when its holder ends, however it ends.
    _lock: File,
}

impl Socket {
    /// Another descriptor to accept from.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone is as good as removed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the socket at `path`, with mode 0600. One left by an evictd that is dead is replaced: who holds
/// the lock beside it (`PATH.lock`) is alive.
pub fn claim(path: &Path) -> Result<Socket, SocketError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| SocketError::Io { path, source }
    };
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(io(dir))?;
    }
    let lock = lock(path)?;
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(io(path))?,
        Ok(_) => return Err(SocketError::NoSocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(path)(error)),
    }
    let listener = open(path).map_err(|errno| io(path)(errno.into()))?;
    Ok(Socket { path: path.to_owned(), listener, _lock: lock })
}

fn lock(socket: &Path) -> Result<File, SocketError> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let error = |source| SocketError::Io { path: path.clone(), source };
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let mut file = opened.map_err(error)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Who holds it may not have written yet.
            let _ = file.read_to_string(&mut holder);
            return Err(SocketError::Taken {
                path: socket.to_owned(),
                pid: holder.trim().parse().ok(),
            });
        }
        Err(errno) => return Err(error(errno.into())),
    }
    file.set_len(0).map_err(error)?;
    writeln!(file, "{}", std::process::id()).map_err(error)?;
    Ok(file)
}

/// The mode is set before there is a file, so that nobody else can connect in between.
fn open(path: &Path) -> Result<UnixListener, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt as _, net::UnixStream};

    use super::*;

    #[test]
    fn a_live_holder_is_named_and_a_dead_ones_socket_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/evictd.sock");
        let first = claim(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let taken = claim(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(taken.starts_with(&format!("another evictd (process {pid}) answers")), "{taken}");
        UnixStream::connect(&path).unwrap();

        // As after SIGKILL: the file stays, the lock does not.
        let Socket { listener, _lock, path: left } = &first;
        flock(_lock, FlockOperation::Unlock).unwrap();
        assert!(left.exists() && listener.local_addr().is_ok());
        let second = claim(&path).unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evictd.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(claim(&path), Err(SocketError::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
