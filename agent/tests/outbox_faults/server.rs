//! A server on loopback that answers as it was told to, for answers that no real API server gives on
//! request.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use kube::{Client, Config};
use serde_json::Value;

/// What to do with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// The whole of an HTTP answer: status line and headers, body.
    Answer(&'static str, &'static str),
    /// The connection ends in the middle of the answer.
    Torn,
    /// It ends before.
    Nothing,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

pub(crate) struct Script {
    pub(crate) url: String,
    asked: Receiver<Asked>,
}

impl Script {
    /// Answers one request after the other, each on a connection of its own, the last reply to all that
    /// follow.
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let (sender, asked) = channel();
        thread::spawn(move || {
            let mut number = 0;
            for connection in listener.incoming().map_while(Result::ok) {
                let Some(request) = read(&connection) else { continue };
                // The test is over when nobody wants to know.
                if sender.send(request).is_err() {
                    return;
                }
                let reply = replies[number.min(replies.len() - 1)];
                number += 1;
                answer(connection, reply);
            }
        });
        Self { url, asked }
    }

    /// The next request.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.recv_timeout(Duration::from_secs(60)).expect("asked")
    }

    /// True if nothing has been asked that was not taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

/// A client that retries nothing by itself. To be called within a runtime.
pub(crate) fn client(url: &str) -> Client {
    let mut config = Config::new(url.parse().expect("url"));
    config.default_retry = false;
    Client::try_from(config).expect("client")
}

fn read(connection: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut content_type, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, content_type, body: serde_json::from_slice(&body).ok()? })
}

fn answer(mut connection: TcpStream, reply: Reply) {
    let text = match reply {
        Reply::Nothing => return,
        Reply::Torn => {
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 500\r\n\r\n{\"kin".to_owned()
        }
        Reply::Answer(head, body) => {
            format!(
                "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
    };
    // A client that has left needs no answer.
    let _ = connection.write_all(text.as_bytes());
}
