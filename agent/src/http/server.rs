//! The server: a thread of its own.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, thread, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, task::spawn_blocking, time::timeout};
use tracing::warn;

use super::Vitals;
use crate::{
    clock,
    metrics::{self, Metrics},
};

/// Readings at a time; further ones are turned away.
const READINGS: usize = 2;

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 64;

/// For how long a connection is kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take to send its request.
const HEADER_PATIENCE: Duration = Duration::from_secs(5);

/// Out of descriptors, say: not again at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Little is kept on the stack, and evictd's memory is resident.
const STACK_BYTES: usize = 256 << 10;

/// Health and metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("--http {address}: {source}; give an address of this machine and a port that is free")]
pub struct HttpError {
    address: SocketAddr,
    source: io::Error,
}

/// What is served.
pub struct Server {
    vitals: Arc<Vitals>,
    metrics: Metrics,
    readings: Semaphore,
}

impl Server {
    /// Serves on that address for as long as the process lives; gives the address that it got.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn start(
        address: SocketAddr,
        vitals: Arc<Vitals>,
        metrics: Metrics,
    ) -> Result<SocketAddr, HttpError> {
        let failed = |source| HttpError { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime =
            builder.enable_all().max_blocking_threads(READINGS).build().map_err(failed)?;
        let server = Arc::new(Self { vitals, metrics, readings: Semaphore::new(READINGS) });
        let thread = thread::Builder::new().name("evictd-http".to_owned()).stack_size(STACK_BYTES);
        let serve = move || {
            if let Err(error) = runtime.block_on(server.serve(listener)) {
                warn!("health and metrics are no longer served: {error}");
            }
        };
        thread.spawn(serve).map_err(failed)?;
        Ok(bound)
    }

    async fn serve(self: Arc<Self>, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Never closed.
            let place = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!("http: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let server = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| server.answer(request));
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE);
                // A client that goes away is its own affair.
                let _ =
                    timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), service)).await;
                drop(place);
            });
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response
                .headers_mut()
                .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        let now = clock::now();
        Ok(match request.uri().path() {
            "/healthz" => verdict(self.vitals.healthy(now)),
            "/readyz" => verdict(self.vitals.ready(now)),
            "/metrics" => self.read().await,
            _ => plain(StatusCode::NOT_FOUND, "there is /metrics, /healthz, /readyz\n"),
        })
    }

    async fn read(&self) -> Response<Full<Bytes>> {
        let Ok(_reading) = self.readings.try_acquire() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "others are reading\n");
        };
        let metrics = self.metrics.clone();
        match spawn_blocking(move || metrics.text()).await {
            Ok(Ok(text)) => typed(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Ok(Err(_)) | Err(_) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be rendered\n")
            }
        }
    }
}

fn verdict(verdict: Result<(), String>) -> Response<Full<Bytes>> {
    match verdict {
        Ok(()) => plain(StatusCode::OK, "ok\n"),
        Err(problem) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
