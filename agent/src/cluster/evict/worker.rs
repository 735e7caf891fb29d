//! Asks the API server, each pod for itself.

use std::collections::BTreeMap;

use evictd_core::{EvictionId, Outcome};
use http::StatusCode;
use kube::{client::Body, core::Status};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    Answered, Request,
    answer::Answer,
    asking::{Asking, PER_ATTEMPT, Step},
    evictor::Order,
    refusals::Refusals,
};
use crate::{
    clock::now,
    cluster::{Attempt, Connection, Stop, backoff::chance},
};

const CREATE: Attempt = Attempt { verb: "create", resource: "pods/eviction" };

/// The cluster's end of an [`Evictor`](super::Evictor).
pub struct EvictWorker {
    orders: mpsc::Receiver<Order>,
    answers: mpsc::Sender<Answered>,
}

impl EvictWorker {
    pub(super) const fn new(
        orders: mpsc::Receiver<Order>,
        answers: mpsc::Sender<Answered>,
    ) -> Self {
        Self { orders, answers }
    }

    /// Runs until it is to stop or the evictor is gone. What is being asked then is left as it is: the
    /// API server has it, or nothing has happened.
    pub async fn run(mut self, connection: Connection, mut stop: Stop) {
        let mut asked = JoinSet::new();
        let mut under_way: BTreeMap<EvictionId, AbortHandle> = BTreeMap::new();
        let mut refusals = Refusals::default();
        loop {
            tokio::select! {
                () = stop.requested() => return,
                order = self.orders.recv() => match order {
                    Some(Order::Ask(request)) => {
                        let (id, before) = (request.id, refusals.of(&request.uid));
                        let handle = asked.spawn(ask(connection.clone(), request, before));
                        under_way.insert(id, handle);
                    }
                    Some(Order::Cancel(id)) => {
                        if let Some(handle) = under_way.remove(&id) {
                            handle.abort();
                        }
                    }
                    None => return,
                },
                Some(done) = asked.join_next(), if !asked.is_empty() => {
                    // One that was given up has nothing to tell.
                    let Ok((request, answered)) = done else { continue };
                    under_way.remove(&answered.id);
                    refusals.take_note(&request.uid, &answered.outcome, now());
                    if self.answers.send(answered).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Asks until there is an answer that ends it.
async fn ask(connection: Connection, request: Request, refusals: u32) -> (Request, Answered) {
    let id = request.id;
    let mut asking = Asking::begin(refusals, now());
    let mut attempts = 0;
    loop {
        attempts += 1;
        let answer = match timeout(PER_ATTEMPT, attempt(&connection, &request)).await {
            Ok(answer) => answer,
            Err(_) => Answer::none(format!("{CREATE}: no answer within {PER_ATTEMPT:?}")),
        };
        let outcome = match asking.take(&answer, now(), chance()) {
            Step::Again { wait } => {
                sleep(wait).await;
                continue;
            }
            Step::Accepted => Outcome::Accepted { id },
            Step::Refused(reason) => Outcome::Refused { id, reason },
        };
        return (request, Answered { outcome, id, attempts, detail: answer.into_message() });
    }
}

/// One attempt. The answer is read here and not by kube, which would lose Retry-After.
async fn attempt(connection: &Connection, request: &Request) -> Answer {
    let failed = |error: kube::Error| Answer::none(connection.explain(CREATE, &error).to_string());
    let http = match request.to_http() {
        Ok(http) => http.map(Body::from),
        Err(error) => return Answer::Denied { message: error.to_string() },
    };
    let response = match connection.client.send(http).await {
        Ok(response) => response,
        Err(error) => return failed(error),
    };
    let (parts, body) = response.into_parts();
    if parts.status.is_success() {
        return Answer::Accepted;
    }
    let body = match body.collect_bytes().await {
        Ok(body) => body,
        Err(error) => return failed(error),
    };
    // Overload and proxies answer in plain text.
    let status = serde_json::from_slice(&body).unwrap_or_else(|_| Status {
        message: String::from_utf8_lossy(&body).trim().to_owned(),
        ..Status::default()
    });
    let answer = Answer::of(parts.status, &parts.headers, &status);
    let is_known = matches!(parts.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if !is_known {
        return answer;
    }
    // Told with what to do about it.
    let status = Status { code: parts.status.as_u16(), ..status };
    let error = kube::Error::Api(status.boxed());
    Answer::Denied { message: connection.explain(CREATE, &error).to_string() }
}
