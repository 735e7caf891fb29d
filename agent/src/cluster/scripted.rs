//! An API server that says what a test has written down, for what a real one cannot be brought to do.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use kube::{Client, client::Body};
use tower::service_fn;

/// What follows the last piece of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// It is complete.
    Complete,
    /// Nothing, for ever.
    Silence,
    /// The connection breaks.
    Torn,
}

/// One answer: what must have been asked for, the status, and what comes.
pub(super) struct Answer {
    pub(super) to: &'static str,
    pub(super) status: u16,
    pub(super) pieces: Vec<String>,
    pub(super) end: End,
}

/// Answers in the order of their requests; `asked` is what was asked, method and path. Requests after the
/// last answer are never answered.
pub(super) fn api(answers: Vec<Answer>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (answers, noted) = (Arc::new(Mutex::new(VecDeque::from(answers))), asked.clone());
    let service = service_fn(move |request: Request<Body>| {
        let asked = format!("{} {}", request.method(), request.uri());
        let answer = answers.lock().expect("no panic").pop_front();
        noted.lock().expect("no panic").push(asked.clone());
        async move {
            let Some(Answer { to, status, pieces, end }) = answer else {
                return std::future::pending().await;
            };
            assert!(asked.contains(to), "asked for {asked} instead of {to}");
            let body = Scripted { pieces: pieces.into(), end };
            Response::builder().status(status).body(body)
        }
    });
    (Client::new(service, "default"), asked)
}

struct Scripted {
    pieces: VecDeque<String>,
    end: End,
}

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.pieces.pop_front(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
            (None, End::Complete) => Poll::Ready(None),
            (None, End::Silence) => Poll::Pending,
            (None, End::Torn) => {
                self.end = End::Complete;
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
        }
    }
}
