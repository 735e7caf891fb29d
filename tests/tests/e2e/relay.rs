//! Connections from another network to a server of this one.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

/// Takes connections until it is dropped. Those that are open go on until either side ends them.
pub(crate) struct Relay {
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    /// From what `listener` takes to `server`.
    pub(crate) fn start(listener: TcpListener, server: SocketAddr) -> Self {
        let accepted = listener.try_clone().unwrap();
        let accepting = thread::spawn(move || {
            for stream in accepted.incoming().map_while(Result::ok) {
                // Who finds no server is told so by the end of the connection.
                let _ = TcpStream::connect(server).and_then(|to| join(&stream, &to));
            }
        });
        Self { listener, accepting: Some(accepting) }
    }
}

fn join(left: &TcpStream, right: &TcpStream) -> io::Result<()> {
    for (from, to) in [(left, right), (right, left)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            // However it ends, both sides learn of it.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
            let _ = from.shutdown(Shutdown::Read);
        });
    }
    Ok(())
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Ends the accept that is waiting.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}
