//! The kubelet's pods, while the API server does not tell them.

use std::time::Duration;

use k8s_openapi::{List, api::core::v1::Pod};
use tokio::time::sleep;
use tracing::{info, warn};

use super::client::{Kubelet, KubeletError};
use crate::cluster::{
    ConnectError, Connection, Stop,
    pods::{PodFeed, PodTable},
};

const PATH: &str = "/pods";

/// So long the API server may be away before the kubelet is asked, and so long each answer is good.
const EVERY: Duration = Duration::from_secs(5);

/// Watches `feed` until evictd ends.
pub(super) async fn keep(kubelet: Kubelet, connection: Connection, feed: PodFeed, mut stop: Stop) {
    tokio::select! {
        () = stop.requested() => {}
        () = stand_in(&kubelet, &connection, &feed) => {}
    }
}

async fn stand_in(kubelet: &Kubelet, connection: &Connection, feed: &PodFeed) {
    let (mut table, mut last) = (PodTable::default(), None);
    loop {
        sleep(EVERY).await;
        let Some(away) = away(feed) else { continue };
        match once(kubelet, connection, &mut table).await {
            Ok(()) => {
                last = None;
                if feed.tell_instead(table.records(), away) {
                    info!("the kubelet tells this node's pods while the API server does not");
                }
            }
            Err(error) if last.as_ref() != Some(&error) => {
                warn!("{error}");
                last = Some(error);
            }
            Err(_) => {}
        }
    }
}

/// Why the API server does not tell the pods; `None` while it does, or has not been heard of yet.
fn away(feed: &PodFeed) -> Option<ConnectError> {
    feed.latest()?.known.error().cloned()
}

async fn once(
    kubelet: &Kubelet,
    connection: &Connection,
    table: &mut PodTable,
) -> Result<(), KubeletError> {
    let answer = kubelet.get(connection, PATH).await?;
    let list: List<Pod> = serde_json::from_str(&answer)
        .map_err(|e| kubelet.error(PATH, format!("no list of pods: {e}")))?;
    table.replace(&list.items);
    Ok(())
}
