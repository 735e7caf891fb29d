//! Events about the node, as the kubelet words them.

use std::{collections::BTreeMap, time::Duration};

use evictd_core::{MonoTime, NodeCondition, Resource};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::{
    clock::now,
    cluster::{
        Attempt, Connection,
        bucket::{Bucket, Limit},
    },
};

const WRITE: Attempt = Attempt { verb: "create or patch", resource: "events.events.k8s.io" };

/// Of each reason, as client-go limits the kubelet's by object.
const LIMIT: Limit = Limit { burst: 25, every: Duration::from_secs(300) };

/// What there is an Event about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A condition changed.
    Condition { condition: NodeCondition, status: bool },
    /// A threshold is acted on (L-16).
    ThresholdMet { resource: Resource },
}

impl Occasion {
    const fn reason(self) -> &'static str {
        match self {
            Self::Condition { condition, status } => condition.text(status).event,
            Self::ThresholdMet { .. } => "EvictionThresholdMet",
        }
    }

    fn event(self, node: &str) -> Event {
        let reason = self.reason().to_owned();
        match self {
            Self::Condition { .. } => Event {
                type_: EventType::Normal,
                note: Some(format!("Node {node} status is now: {reason}")),
                action: "SetCondition".to_owned(),
                reason,
                secondary: None,
            },
            // Events with the same action and reason are counted as one.
            Self::ThresholdMet { resource } => Event {
                type_: EventType::Warning,
                note: Some(format!("Attempting to reclaim {resource}")),
                action: format!("Reclaim-{resource}"),
                reason,
                secondary: None,
            },
        }
    }
}

/// Lets through what is not too much.
#[derive(Debug, Default)]
struct Limiter(BTreeMap<&'static str, Bucket>);

impl Limiter {
    fn admits(&mut self, occasion: Occasion, now: MonoTime) -> bool {
        let bucket = self.0.entry(occasion.reason()).or_insert_with(|| Bucket::full(LIMIT, now));
        bucket.take(LIMIT, now)
    }
}

/// Writes Events until nobody tells of occasions any more. What repeats is counted in one Event.
pub(super) async fn write_events(connection: Connection, mut occasions: mpsc::Receiver<Occasion>) {
    let (client, node) = (connection.client.clone(), connection.node.clone());
    let reporter = Reporter { controller: "evictd".to_owned(), instance: Some(node.to_string()) };
    let mut recorder = Recorder::new(client.clone(), reporter.clone());
    let mut limiter = Limiter::default();
    let mut complaint = String::new();
    while let Some(occasion) = occasions.recv().await {
        if !limiter.admits(occasion, now()) {
            debug!("too many Events {}: one left out", occasion.reason());
            continue;
        }
        match recorder.publish(&occasion.event(&node), &reference(&node)).await {
            Ok(()) => complaint.clear(),
            Err(error) => {
                // The Event that it would count on may be gone; the next is a new one.
                recorder = Recorder::new(client.clone(), reporter.clone());
                let problem = connection.explain(WRITE, &error).to_string();
                if problem != complaint {
                    warn!("an Event about this node is not written: {problem}");
                    complaint = problem;
                }
            }
        }
    }
}

/// The node as the kubelet's Events name it: `kubectl describe node` looks for this UID too.
fn reference(node: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_owned()),
        uid: Some(node.to_owned()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_kubelets() {
        let memory = NodeCondition::MemoryPressure;
        let cases = [
            (
                Occasion::Condition { condition: memory, status: true },
                ("NodeHasInsufficientMemory", "Node n status is now: NodeHasInsufficientMemory"),
            ),
            (
                Occasion::ThresholdMet { resource: Resource::EphemeralStorage },
                ("EvictionThresholdMet", "Attempting to reclaim ephemeral-storage"),
            ),
        ];
        for (occasion, (reason, note)) in cases {
            let event = occasion.event("n");
            assert_eq!((&*event.reason, event.note.as_deref()), (reason, Some(note)));
            assert!(!event.action.is_empty(), "required by events.k8s.io/v1");
        }
    }

    #[test]
    fn a_flood_of_one_reason_does_not_hide_another() {
        let mut limiter = Limiter::default();
        let at = MonoTime::default();
        let flood = Occasion::ThresholdMet { resource: Resource::Memory };
        let admitted = (0..100).filter(|_| limiter.admits(flood, at)).count();
        assert_eq!(admitted, 25);
        let change = Occasion::Condition { condition: NodeCondition::DiskPressure, status: true };
        assert!(limiter.admits(change, at));
        assert!(limiter.admits(flood, at.after(Duration::from_secs(300))));
    }
}
