//! The watch: begun, kept, begun anew.

use std::{pin::pin, time::Duration};

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{
        utils::Backoff as _,
        watcher::{self, DefaultBackoff, Error},
    },
};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{PodFeed, PodsKnown, remembered::Memory, table::PodTable};
use crate::cluster::{Attempt, ConnectError, Connection, Stop};

/// Pods of one answer when they are listed by pages: bounds what has to be held at a time.
const PAGE: u32 = 50;

/// A server that knows no streaming lists may take the request for an ordinary watch, and then never
/// says that the list is complete.
const STREAMED: Duration = Duration::from_secs(20);

/// How the pods are listed when a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    /// By the watch itself (`sendInitialEvents`), one pod at a time.
    Streamed,
    /// By pages, before it.
    Paged,
}

/// Why a watch is over.
enum Over {
    Error(ConnectError),
    /// What it would go on from is too old (410): nothing is lost but the time to list again.
    Expired,
    /// The server does not stream lists.
    NotStreamed,
}

/// Keeps `feed` as the API server has it until evictd ends. Whatever goes wrong is told there, and the
/// watch begins anew with a complete list, later each time, at a time that nobody else chooses.
pub(super) async fn watch(
    connection: Connection,
    feed: PodFeed,
    memory: Option<Memory>,
    mut stop: Stop,
) {
    tokio::select! {
        () = stop.requested() => {}
        () = keep(&connection, &feed, memory.as_ref()) => {}
    }
}

async fn keep(connection: &Connection, feed: &PodFeed, memory: Option<&Memory>) {
    let mut listing = Listing::Streamed;
    let mut backoff = DefaultBackoff::default();
    let mut table = PodTable::default();
    let mut has_expired = false;
    loop {
        let over = match check_node(connection).await {
            Ok(()) => {
                let known =
                    Known { table: &mut table, feed, memory, has_expired: &mut has_expired };
                once(connection, listing, known, &mut backoff).await
            }
            Err(error) => Over::Error(error),
        };
        match over {
            Over::Error(error) => lose(feed, error),
            Over::Expired => {
                info!("the watch of pods has expired (410) and begins anew");
                has_expired = true;
            }
            Over::NotStreamed => {
                listing = Listing::Paged;
                continue;
            }
        }
        sleep(backoff.next().unwrap_or_default()).await;
    }
}

/// A wrong name has no pods, which looks like a node without any.
async fn check_node(connection: &Connection) -> Result<(), ConnectError> {
    match connection.check().await {
        Ok(_) => Ok(()),
        Err(error @ ConnectError::Forbidden { .. }) => {
            warn!("whether the node's name is right cannot be asked: {error}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What a watch goes on with.
struct Known<'a> {
    table: &'a mut PodTable,
    feed: &'a PodFeed,
    memory: Option<&'a Memory>,
    /// The watch before this one; no longer once the pods are listed anew.
    has_expired: &'a mut bool,
}

/// One watch, from its list to its end.
async fn once(
    connection: &Connection,
    listing: Listing,
    known: Known<'_>,
    backoff: &mut DefaultBackoff,
) -> Over {
    let Known { table, feed, memory, has_expired } = known;
    let config = watcher::Config::default().fields(&format!("spec.nodeName={}", connection.node));
    let config = match listing {
        Listing::Streamed => config.streaming_lists(),
        Listing::Paged => config.page_size(PAGE),
    };
    let mut events = pin!(watcher::watcher(Api::<Pod>::all(connection.client.clone()), config));
    let mut is_listed = false;
    loop {
        let event = if is_listed || listing == Listing::Paged {
            events.next().await
        } else {
            match timeout(STREAMED, events.next()).await {
                Ok(event) => event,
                Err(_) => return Over::NotStreamed,
            }
        };
        let ended = take(event, &mut events, table).await;
        // Also what came just before the end counts, if a list is complete with it.
        if table.is_complete() && !matches!(ended, Some(Ended::AtOnce(_))) {
            tell(feed, table);
            if let Some(memory) = memory {
                memory.keep(table.objects());
            }
            if std::mem::take(has_expired) {
                info!("the pods are listed anew");
            }
            is_listed = true;
            backoff.reset();
        }
        match ended {
            None => {}
            Some(Ended::AtOnce(error) | Ended::Later(error)) => {
                let is_refused = listing == Listing::Streamed && !is_listed && !streams(&error);
                let tells = || over(explain(connection, &error));
                return if is_refused { Over::NotStreamed } else { tells() };
            }
        }
    }
}

/// The error that ended a watch.
enum Ended {
    /// Before anything else came.
    AtOnce(Error),
    Later(Error),
}

/// Takes in `event` and what has come with it: what has come at once is told at once.
async fn take(
    event: Option<Result<watcher::Event<Pod>, Error>>,
    events: &mut (impl Stream<Item = Result<watcher::Event<Pod>, Error>> + Unpin),
    table: &mut PodTable,
) -> Option<Ended> {
    let (mut next, mut taken) = (event, false);
    while let Some(event) = next {
        match event {
            Ok(event) => table.take(event),
            Err(error) if taken => return Some(Ended::Later(error)),
            Err(error) => return Some(Ended::AtOnce(error)),
        }
        taken = true;
        next = events.next().now_or_never().flatten();
    }
    None
}

fn over(error: ConnectError) -> Over {
    if error.code() == Some(410) { Over::Expired } else { Over::Error(error) }
}

/// False if that may be how a server refuses to stream a list: an old one answers 400 or 422, one whose
/// etcd is too old for it 500. What has other causes is no reason to ask for pages.
fn streams(error: &Error) -> bool {
    let status = match error {
        Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => status,
        Error::WatchStartFailed(_)
        | Error::WatchFailed(_)
        | Error::InitialListFailed(_)
        | Error::NoResourceVersion => return true,
    };
    matches!(status.code, 401 | 403 | 404 | 410 | 429 | 502..=504)
}

fn explain(connection: &Connection, error: &Error) -> ConnectError {
    let tried = |verb| Attempt { verb, resource: "pods" };
    match error {
        Error::InitialListFailed(error) => connection.explain(tried("list"), error),
        Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            connection.explain(tried("watch"), error)
        }
        Error::WatchError(status) => {
            connection.explain(tried("watch"), &kube::Error::Api(status.clone()))
        }
        Error::NoResourceVersion => ConnectError::Answer {
            server: connection.server(),
            tried: tried("watch"),
            problem: error.to_string(),
        },
    }
}

fn tell(feed: &PodFeed, table: &PodTable) {
    let was_known = feed.latest().is_some_and(|told| told.known == PodsKnown::Now);
    let records = table.records();
    if !was_known {
        info!("{} pods are known from the API server", records.len());
    }
    feed.tell(records);
}

fn lose(feed: &PodFeed, error: ConnectError) {
    let text = error.to_string();
    if feed.lose(error) {
        warn!("the API server does not tell this node's pods, asking again: {text}");
    }
}

#[cfg(test)]
mod tests;
